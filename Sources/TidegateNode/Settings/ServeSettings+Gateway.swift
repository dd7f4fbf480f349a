internal import FoundationEssentials
internal import TidegateCore
internal import TidegateGateway

/// The settings as the data plane takes them.
extension ServeSettings {
    var dataPlane: DataPlaneSettings {
        var values = DataPlaneSettings()
        values.tls = tls.map { .init(certificateChainFile: $0.certificateFile, privateKeyFile: $0.keyFile) }
        values.requestBodyBytesMax = bodyBytesMax
        values.bodyCaptureBytesMax = captureBytesMax
        values.connectionsMax = connectionsMax
        return values
    }

    var upstream: UpstreamSettings {
        var values = UpstreamSettings()
        values.tls = UpstreamTLS(additionalTrustRootsFile: trustedRoots)
        return values
    }

    func providerTable() throws(TidegateError) -> ProviderTable { try ProviderTable(overrides: providers) }

    func priceTable() throws(TidegateError) -> PriceTable {
        let bundled = try PriceTable.bundled()
        guard let prices else { return bundled }
        let text: String
        do {
            text = try String(contentsOfFile: prices, encoding: .utf8)
        } catch {
            throw TidegateError(.invalidConfiguration, "The price file \(prices) cannot be read.", cause: error)
        }
        return bundled.overriding(with: try PriceTable(csv: text).entries)
    }
}
