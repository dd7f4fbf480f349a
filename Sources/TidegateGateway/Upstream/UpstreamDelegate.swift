package import NIOCore
package import NIOHTTP1

/// Hears what becomes of one exchange, on the event loop of its pool. The exchange holds it until `upstreamEnded`,
/// `upstreamFailed` (exactly one of them, once, and last) or `cancel()`.
///
/// Nothing is called from inside `start` or `cancel`. `write`, `flush` and `finishRequest` may call
/// `upstreamWritabilityChanged`, and `flush` may report an answer or a failure that it ran into, before they return.
package protocol UpstreamDelegate: AnyObject {
    /// Called on changes only; an exchange starts writable. While it is not, stop reading the client.
    func upstreamWritabilityChanged(_ exchange: UpstreamExchange, isWritable: Bool)
    /// The final answer's head, once. Its framing fields (`content-length`, `transfer-encoding`, `connection`) are the
    /// provider's, as sent; informational (1xx) answers never show.
    func upstreamReceived(_ exchange: UpstreamExchange, head: HTTPResponseHead)
    /// Body bytes without chunk framing, as they came.
    func upstreamReceived(_ exchange: UpstreamExchange, part: ByteBuffer)
    /// The end of one burst of reads: the moment to flush to the client. Not called after the end or a failure.
    func upstreamReadComplete(_ exchange: UpstreamExchange)
    /// The answer is complete by its own framing. The request may not be: an early answer; the rest is not sent.
    func upstreamEnded(_ exchange: UpstreamExchange, trailers: HTTPHeaders?)
    func upstreamFailed(_ exchange: UpstreamExchange, _ failure: UpstreamFailure)
}

/// Why an exchange has no (complete) answer.
package enum UpstreamFailure: Error {
    /// The name has no address.
    case dnsFailed(any Error)
    /// Refused, unreachable, or not within `connectTimeout`.
    case connectFailed(any Error)
    /// No TLS session: certificate, name, version, or closed in the handshake.
    case tlsFailed(any Error)
    /// `waitingPerOriginMax` exchanges wait already.
    case queueFull
    /// No connection became free within `waitTimeout`.
    case waitTimeout
    /// Closed or reset before the answer was complete. Without a byte of an answer, the provider may or may not have
    /// acted on the request.
    case connectionClosed(bytesOfAnswerSeen: Bool, cause: (any Error)?)
    /// What came is not an HTTP/1 answer to our request, or exceeds the head limits, or is a 101.
    case protocolError(any Error)
    /// The body written does not have the length announced at `start`.
    case requestBodyMismatch
    /// `UpstreamPool.close()` was called.
    case poolClosed

    /// Whether not a byte of the request can have reached the provider, so that trying again repeats nothing.
    package var isBeforeRequest: Bool {
        switch self {
        case .dnsFailed, .connectFailed, .tlsFailed, .queueFull, .waitTimeout, .poolClosed: true
        case .connectionClosed, .protocolError, .requestBodyMismatch: false
        }
    }

    /// A closed set, for metric labels and logs.
    package var label: String {
        switch self {
        case .dnsFailed: "dns"
        case .connectFailed: "connect"
        case .tlsFailed: "tls"
        case .queueFull: "queue_full"
        case .waitTimeout: "wait_timeout"
        case .connectionClosed: "closed"
        case .protocolError: "protocol"
        case .requestBodyMismatch: "request_body_mismatch"
        case .poolClosed: "pool_closed"
        }
    }
}

/// A rule of ours that an upstream's answer broke; the cause inside `UpstreamFailure.protocolError`.
package enum UpstreamRuleBroken: Error {
    case switchingProtocols, tooManyInformationalAnswers, partOutOfOrder, impossibleStatus
}
