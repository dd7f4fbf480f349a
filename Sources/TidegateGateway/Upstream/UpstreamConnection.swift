internal import NIOCore
internal import NIOHTTP1
internal import NIOTLS

/// One connection to an origin: the last handler of its channel, and what the pool and an exchange hold of it.
///
/// `made → shaking (TLS) → idle ⇄ running → finishing → idle`, and from everywhere to `closed`. *finishing* lasts from the
/// end of an answer to the end of its burst of reads: bytes that follow an answer show up there, before the next request
/// could be answered by them.
final class UpstreamConnection: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = HTTPClientRequestPart
    typealias OutboundOut = HTTPClientRequestPart

    private enum Phase { case made, shaking, idle, running, finishing, closed }

    /// Whether it has carried an exchange before the present one.
    private(set) var isReused = false
    /// Whether any byte came since the present request began.
    private(set) var isAnswerSeen = false

    private let home: OriginPool
    private var phase = Phase.made
    private var context: ChannelHandlerContext?
    /// The one that runs; while shaking, the one it is made for.
    private var exchange: UpstreamExchange?
    private let createdAt = NIODeadline.now()
    private var idleSince = NIODeadline.now()
    private var isHandshakeDone = false

    private var isKeptAlive = false
    private var isHeadSeen = false
    private var informationalAnswers = 0
    private var boundary = AnswerBoundary()

    private var isPaused = false
    private var isReadHeldBack = false

    init(home: OriginPool) { self.home = home }

    // MARK: What the pool does

    /// TCP is connected, and of all addresses tried this connection was the first.
    func connected(for exchange: UpstreamExchange) {
        guard phase == .made, let context, context.channel.isActive else {
            phase = .closed
            exchange.fail(.connectFailed(ChannelError.eof))
            return home.removed(nil)
        }
        guard home.origin.isTLS, !isHandshakeDone else { return ready(for: exchange) }
        phase = .shaking
        self.exchange = exchange
        home.isShaking(self)
    }

    func run(_ exchange: UpstreamExchange) {
        precondition(phase == .idle || phase == .finishing)
        phase = .running
        (isAnswerSeen, isHeadSeen, isKeptAlive, informationalAnswers) = (false, false, false, 0)
        self.exchange = exchange
        exchange.attach(to: self)
    }

    func rest(at now: NIODeadline) {
        phase = .idle
        idleSince = now
    }

    func canRun(at now: NIODeadline) -> Bool {
        phase == .idle && !isIdleTooLong(at: now) && !isTooOld(at: now) && context?.channel.isActive == true
    }
    func isIdleTooLong(at now: NIODeadline) -> Bool { now - idleSince >= home.settings.idleTimeout }
    func isTooOld(at now: NIODeadline) -> Bool { now - createdAt >= home.settings.connectionAgeMax }

    func checkHandshake(at now: NIODeadline) {
        guard now - createdAt >= home.settings.connectTimeout else { return }
        lose(.tlsFailed(ChannelError.connectTimeout(home.settings.connectTimeout)))
    }

    /// Closes a connection that carries nothing.
    func close() { lose(.poolClosed) }

    // MARK: What the exchange does

    var isWritable: Bool { context?.channel.isWritable ?? true }

    func write(_ head: HTTPRequestHead) { context?.write(wrapOutboundOut(.head(head)), promise: nil) }
    func write(_ part: ByteBuffer) { context?.write(wrapOutboundOut(.body(.byteBuffer(part))), promise: nil) }
    func writeEnd(_ trailers: HTTPHeaders?) { context?.write(wrapOutboundOut(.end(trailers)), promise: nil) }
    func flush() { context?.flush() }

    func pauseReading() { isPaused = true }

    func resumeReading() {
        isPaused = false
        guard isReadHeldBack else { return }
        isReadHeldBack = false
        context?.read()
    }

    func cancelled() { lose(.poolClosed) }

    // MARK: Channel

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    /// The channel asks for its next read from the end of the pipeline: holding the call back stops reading.
    func read(context: ChannelHandlerContext) {
        if isPaused { isReadHeldBack = true } else { context.read() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSUserEvent.handshakeCompleted? = event as? TLSUserEvent {
            isHandshakeDone = true
            if phase == .shaking, let exchange { ready(for: exchange) }
        }
        context.fireUserInboundEventTriggered(event)
    }

    /// Called before bytes reach the decoder.
    /// - Returns: false when nobody asked for them; the connection is closed then, since they could be taken for the next
    ///   answer.
    func willDecode(_ bytes: ByteBuffer) -> Bool {
        guard phase == .running else {
            close()
            return false
        }
        isAnswerSeen = true
        boundary.willDecode(bytes)
        return true
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard phase == .running, let exchange else { return }
        switch unwrapInboundIn(data) {
        case .head(let head): received(head, for: exchange)
        case .body(let part):
            boundary.received(part)
            exchange.received(part)
        case .end(let trailers): received(end: trailers, for: exchange)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        switch phase {
        case .running: exchange?.readCompleted()
        case .finishing: home.release(self)
        case .made, .shaking, .idle, .closed: break
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if phase == .running { exchange?.reportWritability() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        lose(.connectionClosed(bytesOfAnswerSeen: isAnswerSeen, cause: nil))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        case HTTPParserError.invalidEOFState, HTTPParserError.closedConnection:
            lose(.connectionClosed(bytesOfAnswerSeen: isAnswerSeen, cause: error))
        case is HTTPParserError, is NIOHTTPDecoderError: lose(.protocolError(error))
        default: lose(.connectionClosed(bytesOfAnswerSeen: isAnswerSeen, cause: error))
        }
    }

    // MARK: Private

    private func ready(for exchange: UpstreamExchange) {
        phase = .idle
        self.exchange = nil
        home.ready(self, for: exchange)
    }

    private func received(_ head: HTTPResponseHead, for exchange: UpstreamExchange) {
        switch head.status.code {
        case 101: lose(.protocolError(UpstreamRuleBroken.switchingProtocols))
        case 100..<200:
            informationalAnswers += 1
            if informationalAnswers > Self.informationalAnswersMax {
                lose(.protocolError(UpstreamRuleBroken.tooManyInformationalAnswers))
            }
        case ..<100: lose(.protocolError(UpstreamRuleBroken.impossibleStatus))
        default:
            isHeadSeen = true
            isKeptAlive = head.isKeepAlive
            exchange.received(head)
        }
    }

    private func received(end trailers: HTTPHeaders?, for exchange: UpstreamExchange) {
        guard isHeadSeen else { return lose(.protocolError(UpstreamRuleBroken.partOutOfOrder)) }
        phase = .finishing
        self.exchange = nil
        resumeReading()
        let isRequestSent = exchange.received(end: trailers)
        isReused = true
        if !isRequestSent || !isKeptAlive || !boundary.isAtEnd { close() }
    }

    /// The one way to `closed`.
    private func lose(_ failure: UpstreamFailure) {
        let before = phase
        guard before != .closed else { return }
        phase = .closed
        let exchange = exchange
        self.exchange = nil
        context?.close(promise: nil)
        guard before != .made else { return }  // the one who connects hears of it there
        if before == .shaking {
            exchange?.fail(duringHandshake(failure))
            home.counters.counts.connectionsFailed += 1
        } else {
            exchange?.lost(self, failure)
        }
        home.removed(self)
    }

    private func duringHandshake(_ failure: UpstreamFailure) -> UpstreamFailure {
        switch failure {
        case .connectionClosed(_, let cause): .tlsFailed(cause ?? ChannelError.eof)
        default: failure
        }
    }

    private static let informationalAnswersMax = 32
}
