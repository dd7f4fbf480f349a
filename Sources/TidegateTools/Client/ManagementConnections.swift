internal import ArgumentParser
internal import AsyncHTTPClient
internal import NIOCore
internal import NIOSSL
internal import Synchronization

/// Connections of the management commands: a node that is not there is told within seconds.
enum ManagementConnections {
    /// By authority. Kept until the process ends, which is soon.
    private static let clients = Mutex<[String: HTTPClient]>([:])

    /// - Parameter authority: PEM file, or `nil` for the system's authorities alone.
    static func client(authority: String?) throws -> HTTPClient {
        let key = authority ?? ""
        if let known = clients.withLock({ $0[key] }) { return known }
        var configuration = HTTPClient.Configuration()
        configuration.timeout = .init(connect: .seconds(3))
        configuration.connectionPool.retryConnectionEstablishment = false
        var tls = TLSConfiguration.makeClientConfiguration()
        if let authority {
            guard let certificates = try? NIOSSLCertificate.fromPEMFile(authority), !certificates.isEmpty else {
                throw ValidationError("--ca \(authority) is no PEM file with certificates.")
            }
            tls.additionalTrustRoots = [.certificates(certificates)]
        }
        configuration.tlsConfiguration = tls
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        clients.withLock { $0[key] = client }
        return client
    }
}
