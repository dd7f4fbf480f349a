package import NIOCore
package import NIOSSL

/// Limits of the pool. All counts are per event loop.
package struct UpstreamSettings: Sendable {
    /// For name lookup and TCP, and for TCP and the TLS handshake.
    package var connectTimeout: TimeAmount = .seconds(10)
    /// Unused connections are closed after it. Below the 60 s after which common load balancers close theirs.
    package var idleTimeout: TimeAmount = .seconds(55)
    /// Older connections are not used again, so that a changed DNS record is noticed.
    package var connectionAgeMax: TimeAmount = .minutes(10)
    package var connectionsPerOriginMax = 512
    /// Exchanges that wait because `connectionsPerOriginMax` is reached.
    package var waitingPerOriginMax = 1_024
    package var waitTimeout: TimeAmount = .seconds(10)
    /// Bytes of a request kept to send it again when a pooled connection turns out to be closed.
    package var replayBytesMax = 1 << 20
    /// Outbound bytes above which an exchange reports that it is not writable.
    package var writeBufferHighWater = 256 << 10
    /// Bytes of one read from a socket. After `pauseReading` a few such reads at most may still arrive.
    package var readBytesMax = 64 << 10
    /// Names and values of an answer's header fields and trailers together.
    package var headBytesMax = 64 << 10
    package var headFieldsMax = 256
    package var tls = UpstreamTLS()

    package init() {}

    /// The client side's TLS: certificates and names are verified, 1.2 or newer, HTTP/1.1 by ALPN. Costly: make one and
    /// share it between pools.
    package func makeTLSContext() throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        if let file = tls.additionalTrustRootsFile { configuration.additionalTrustRoots = [.file(file)] }
        return try NIOSSLContext(configuration: configuration)
    }
}

package struct UpstreamTLS: Sendable {
    /// PEM certificates of private authorities, trusted besides those of the system.
    package var additionalTrustRootsFile: String?
    package init(additionalTrustRootsFile: String? = nil) {
        self.additionalTrustRootsFile = additionalTrustRootsFile
    }
}
