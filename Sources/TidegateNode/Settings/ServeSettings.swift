package import TidegateCore

/// What `tidegate serve` runs with. Every key is documented in `Docs/operations/configure.md`.
package struct ServeSettings: Equatable, Sendable {
    package struct Endpoint: Equatable, Sendable {
        package var host: String
        package var port: Int
        /// Only this machine can reach it.
        package var isLoopback: Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") }
        package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
    }
    package enum Capture: String, CaseIterable, Sendable {
        /// A captured row survives the death of the process.
        case process
        /// It also survives the loss of power, at the price of a disk flush before an answer's last byte.
        case power
    }

    package var listen = Endpoint(host: "127.0.0.1", port: 8787)
    package var peerListen = Endpoint(host: "127.0.0.1", port: 8788)
    package var state = "tidegate-state"
    package var nodeID = "n1"
    package var region = "local"
    package var capture = Capture.process
    package var createsDefaultAccount = true
    /// Allows an outbox on a file system that dies with its container (A11).
    package var allowsEphemeralOutbox = false
    /// 0 is one per core.
    package var eventLoops = 0
    package var logLevel = "info"
    package var adminToken: String?
    package var tls: TLS?
    package var providers: [String: String] = [:]
    package var bodyBytesMax = 100 << 20
    package var captureBytesMax = 10 << 20
    package var connectionsMax = 10_000
    package var outboxBytesMax: UInt64 = 20 << 30
    /// PEM file with certificate authorities that upstreams may be signed by, instead of the system's.
    package var trustedRoots: String?
    /// CSV file whose rows replace or add to the bundled prices.
    package var prices: String?

    package struct TLS: Equatable, Sendable {
        package var certificateFile: String
        package var keyFile: String
    }

    package init() {}

    /// - Throws: `.invalidConfiguration` with the key's origin and what to do.
    package init(_ sources: SettingSources) throws(TidegateError) {
        let reader = SettingReader(values: sources.values)
        listen = try reader.endpoint(.listen) ?? listen
        peerListen = try reader.endpoint(.peerListen) ?? peerListen
        state = try reader.text(.state) ?? state
        nodeID = try reader.name(.nodeID) ?? nodeID
        region = try reader.name(.region) ?? region
        capture = try reader.choice(.capture, Capture.self) ?? capture
        createsDefaultAccount = try reader.bool(.defaultAccount) ?? createsDefaultAccount
        allowsEphemeralOutbox = try reader.bool(.ephemeralOutbox) ?? allowsEphemeralOutbox
        eventLoops = try reader.integer(.eventLoops, in: 0...1_024) ?? eventLoops
        logLevel = try reader.logLevel(.logLevel) ?? logLevel
        adminToken = try reader.secret(.adminToken)
        bodyBytesMax = try reader.integer(.bodyBytesMax, in: 1_024...(1 << 32)) ?? bodyBytesMax
        captureBytesMax = try reader.integer(.captureBytesMax, in: 0...(64 << 20)) ?? captureBytesMax
        connectionsMax = try reader.integer(.connectionsMax, in: 1...1_000_000) ?? connectionsMax
        outboxBytesMax =
            try reader.integer(.outboxBytesMax, in: (1 << 20)...(1 << 50)).map(UInt64.init) ?? outboxBytesMax
        trustedRoots = try reader.text(.trustedRoots)
        prices = try reader.text(.prices)
        tls = try Self.tls(reader)
        providers = try Self.providers(sources.providers)
        try Self.refuseWhatIsNotBuilt(reader)
    }

    private static func tls(_ reader: SettingReader) throws(TidegateError) -> TLS? {
        let (certificate, key) = (try reader.text(.tlsCertificate), try reader.text(.tlsKey))
        if certificate == nil, key == nil { return nil }
        guard let certificate, let key else {
            throw TidegateError(
                .invalidConfiguration, "tls.certificate and tls.key go together: set both to PEM files.")
        }
        return TLS(certificateFile: certificate, keyFile: key)
    }

    private static func providers(
        _ values: [String: SettingSources.Value]
    ) throws(TidegateError) -> [String: String] {
        for (slug, value) in values {
            guard value.text.hasPrefix("http://") || value.text.hasPrefix("https://") else {
                throw TidegateError(
                    .invalidConfiguration,
                    "\(value.origin): the base URL of '\(slug)' must begin with http:// or https://.")
            }
        }
        return values.mapValues(\.text)
    }

    /// Settings of cluster mode are known by name and refused until the engines behind them exist.
    private static func refuseWhatIsNotBuilt(_ reader: SettingReader) throws(TidegateError) {
        if let value = reader.values[.coordination], value.text != "embedded" {
            throw TidegateError(
                .invalidConfiguration,
                "\(value.origin): this build knows only `embedded`; etcd comes with cluster mode.")
        }
        if let value = reader.values[.store], value.text != "file" {
            throw TidegateError(
                .invalidConfiguration, "\(value.origin): this build knows only `file`; S3 comes with cluster mode.")
        }
        if let value = reader.values[.join], !value.text.isEmpty {
            throw TidegateError(
                .invalidConfiguration,
                "\(value.origin): this build runs a single node; joining comes with cluster mode.")
        }
    }
}
