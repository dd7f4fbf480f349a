internal import NIOCore

/// Takes one request off a connection and answers it. Called on the connection's loop only.
///
/// The answer goes back through `ClientConnection`; after `clientLeft` nothing may be written.
protocol RequestResponder: AnyObject {
    func requestBody(_ bytes: ByteBuffer)
    /// The request is whole.
    func requestEnded()
    /// All parts of one read of the socket were given: the moment to flush towards a provider.
    func requestBurstEnded()
    func clientWritabilityChanged(_ writable: Bool)
    /// The connection is gone before the answer's end.
    func clientLeft()
}

/// Swallows what is left of a request that was answered early.
final class Discarding: RequestResponder {
    static func new() -> Discarding { Discarding() }
    func requestBody(_ bytes: ByteBuffer) {}
    func requestEnded() {}
    func requestBurstEnded() {}
    func clientWritabilityChanged(_ writable: Bool) {}
    func clientLeft() {}
}
