package import NIOCore
package import NIOHTTP1

/// How the body of a request is framed.
package enum UpstreamBody: Equatable, Sendable {
    /// No body and no length field, as a GET has.
    case none
    /// `content-length`; exactly as many bytes must be written. 0 is right for a POST without a body.
    case length(Int)
    case chunked
}

/// One request and its answer. Belongs to the event loop of its pool. All calls are allowed at any time; after the end
/// they do nothing.
package final class UpstreamExchange {
    package let origin: Origin
    /// True after the end, a failure or `cancel()`.
    package private(set) var isDone = false
    /// Whether the connection carried an earlier exchange. False before there is one.
    package var isOnReusedConnection: Bool { connection?.isReused ?? false }

    /// When it stops waiting for a place; set as it is queued.
    var waitDeadline = NIODeadline.distantFuture
    private let home: OriginPool
    private let head: HTTPRequestHead
    private var delegate: (any UpstreamDelegate)?
    private var connection: UpstreamConnection?

    private var bodyBytesLeft: Int?
    private var trailers: HTTPHeaders?
    private var isRequestFinished = false
    private var isFlushWanted = false
    private var reportedWritable = true

    /// What was written so far: sent when there is a connection, and again when a reused one fails at once.
    private var kept: [ByteBuffer] = []
    private var keptBytes = 0
    private var isKeeping = true

    init(
        _ head: HTTPRequestHead, to home: OriginPool, body: UpstreamBody, delegate: any UpstreamDelegate
    ) {
        self.home = home
        self.head = head
        self.delegate = delegate
        origin = home.origin
        switch body {
        case .none: bodyBytesLeft = 0
        case .length(let length): bodyBytesLeft = length
        case .chunked: bodyBytesLeft = nil
        }
    }

    // MARK: What the caller does

    /// False while more should not be written. Writing more is allowed and costs memory.
    package var isWritable: Bool {
        guard !isDone else { return true }
        return connection?.isWritable ?? (keptBytes <= home.settings.writeBufferHighWater)
    }

    /// Adds bytes of the body. They leave with the next `flush` or `finishRequest`.
    package func write(_ part: ByteBuffer) {
        guard !isDone, !isRequestFinished, part.readableBytes > 0 else { return }
        if let left = bodyBytesLeft {
            guard part.readableBytes <= left else { return abandon(.requestBodyMismatch) }
            bodyBytesLeft = left - part.readableBytes
        }
        if isKeeping { keep(part) }
        connection?.write(part)
        if connection == nil { reportWritability() }
    }

    /// Ends the request and flushes. `trailers` are sent with a chunked body only.
    package func finishRequest(trailers: HTTPHeaders? = nil) {
        guard !isDone, !isRequestFinished else { return }
        if let left = bodyBytesLeft, left > 0 { return abandon(.requestBodyMismatch) }
        isRequestFinished = true
        self.trailers = trailers
        connection?.writeEnd(trailers)
        flush()
    }

    package func flush() {
        guard !isDone else { return }
        isFlushWanted = true
        connection?.flush()
    }

    /// Stops reading the answer: the provider is slowed down by TCP. Reads already made may still be reported.
    package func pauseReading() { connection?.pauseReading() }
    package func resumeReading() { connection?.resumeReading() }

    /// Gives up. The connection is closed, so that the provider can stop its work; the delegate hears nothing further.
    package func cancel() {
        guard !isDone else { return }
        let connection = finish().connection
        if let connection { connection.cancelled() } else { home.cancelled(self) }
    }

    // MARK: What its connection tells

    func attach(to connection: UpstreamConnection) {
        self.connection = connection
        connection.write(head)
        for part in kept { connection.write(part) }
        if isRequestFinished { connection.writeEnd(trailers) }
        if !connection.isReused || keptBytes > home.settings.replayBytesMax { stopKeeping() }
        if isFlushWanted { connection.flush() }
        reportWritability()
    }

    func received(_ head: HTTPResponseHead) {
        stopKeeping()
        delegate?.upstreamReceived(self, head: head)
    }

    func received(_ part: ByteBuffer) { delegate?.upstreamReceived(self, part: part) }
    func readCompleted() { delegate?.upstreamReadComplete(self) }

    /// - Returns: whether the request was sent whole, so that its connection may carry another.
    func received(end trailers: HTTPHeaders?) -> Bool {
        let wasFinished = isRequestFinished
        finish().delegate?.upstreamEnded(self, trailers: trailers)
        return wasFinished
    }

    func reportWritability() {
        let isWritable = isWritable
        guard isWritable != reportedWritable, !isDone else { return }
        reportedWritable = isWritable
        delegate?.upstreamWritabilityChanged(self, isWritable: isWritable)
    }

    /// The connection is gone. A reused one that never answered was closed by the provider while it lay idle (or as we
    /// wrote): the request goes out once more on a fresh connection, if we still have all of it.
    func lost(_ connection: UpstreamConnection, _ failure: UpstreamFailure) {
        guard !isDone else { return }
        guard isKeeping, connection.isReused, !connection.isAnswerSeen, case .connectionClosed = failure else {
            return fail(failure)
        }
        self.connection = nil
        home.replay(self)
    }

    func fail(_ failure: UpstreamFailure) {
        guard !isDone else { return }
        finish().delegate?.upstreamFailed(self, failure)
    }

    // MARK: Private

    private func keep(_ part: ByteBuffer) {
        kept.append(part)
        keptBytes += part.readableBytes
        if connection != nil, keptBytes > home.settings.replayBytesMax { stopKeeping() }
    }

    private func stopKeeping() {
        guard isKeeping else { return }
        isKeeping = false
        kept = []
    }

    /// Marks the end and lets go of everything.
    private func finish() -> (delegate: (any UpstreamDelegate)?, connection: UpstreamConnection?) {
        defer { (delegate, connection) = (nil, nil) }
        isDone = true
        stopKeeping()
        return (delegate, connection)
    }

    /// Fails for a reason of the caller's; told later, since the caller is in the middle of a call.
    private func abandon(_ failure: UpstreamFailure) {
        let ended = finish()
        if let connection = ended.connection { connection.cancelled() } else { home.cancelled(self) }
        home.eventLoop.assumeIsolated().execute { ended.delegate?.upstreamFailed(self, failure) }
    }
}
