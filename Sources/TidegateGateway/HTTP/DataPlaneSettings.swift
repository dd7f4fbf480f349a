/// Limits and times of the data plane. The defaults suit one node; tests shrink them.
package struct DataPlaneSettings: Sendable {
    /// Files of a TLS listener, PEM.
    package struct TLS: Sendable {
        package var certificateChainFile: String
        package var privateKeyFile: String
        package init(certificateChainFile: String, privateKeyFile: String) {
            self.certificateChainFile = certificateChainFile
            self.privateKeyFile = privateKeyFile
        }
    }

    /// `nil` serves plain HTTP.
    package var tls: TLS? = nil
    /// Connections at most, over all loops; one more is closed at once.
    package var connectionsMax = 10_000
    /// Request line and header fields together.
    package var headBytesMax = 32 * 1024
    package var headFieldsMax = 128
    /// Body of a call to a provider.
    package var requestBodyBytesMax = 100 * 1024 * 1024
    /// Body of a call that must be held whole: universal and compat endpoints, retries. A call with retries that is
    /// longer goes on without them.
    package var replayBytesMax = 32 * 1024 * 1024
    /// Body of a request that is not for the data plane.
    package var controlBodyBytesMax = 16 * 1024 * 1024
    /// Bytes of one body, request or answer, kept for its row.
    package var bodyCaptureBytesMax = 64 * 1024 * 1024
    /// Longer bodies lie in files of their own until the object store has them (protocol §4 step 2).
    package var bodyInlineBytesMax = 256 * 1024
    /// Of a request that is searched once more for its model when nothing else names it.
    package var modelSearchBytesMax = 10 * 1024 * 1024
    /// Bytes of bodies in the memory of calls under way, over all loops. Beyond it rows are kept with shorter bodies.
    package var captureBytesInFlightMax = 256 * 1024 * 1024

    /// From the first byte of a head to its end; for the first head from the connection's start.
    package var headTimeout: Duration = .seconds(10)
    /// Each of these spans must bring at least `bodyBytesMin` bytes of a body that is under way.
    package var bodyTimeout: Duration = .seconds(30)
    package var bodyBytesMin = 1024
    /// How long a client may leave its receive window shut while an answer waits.
    package var writeTimeout: Duration = .seconds(60)
    /// Between two requests of a connection.
    package var idleTimeout: Duration = .seconds(75)
    /// How often a loop looks for connections past one of these times.
    package var tick: Duration = .milliseconds(500)

    /// How long, and for how many bytes, an answer is read on for its usage once its client has left.
    package var drainTimeout: Duration = .seconds(5)
    package var drainBytesMax = 1024 * 1024

    package init() {}
}
