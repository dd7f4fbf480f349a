internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import TidegateCore

/// One step of a call: its attempts, its answer, its row.
///
/// Parts of an answer are held until the end of the burst they came in. An answer that is whole by then is recorded first
/// and leaves in one write; otherwise an intent is written before its first byte, and its end waits for the completion.
final class StepRun: UpstreamDelegate {
    enum Phase {
        /// No head of an answer yet, or between two attempts.
        case asking
        case relaying
        /// The answer failed and another step follows: it is only read for its row.
        case collecting
        /// The client has left: the answer is read on for its usage.
        case draining
        case over
    }
    /// What follows once the row is written.
    enum Ending {
        case end(HTTPHeaders?)
        case failure(GatewayFailure)
        case cut
        case nextStep
        case nothing
    }

    let request: ProxyRequest
    let plan: StepPlan
    let index: Int
    let isLast: Bool
    let id: RecordID
    lazy var idText = index == 0 ? request.idText : id.description
    let began: NIODeadline
    let startedAtMs: Int64
    var loop: LoopState { request.loop }
    var connection: ClientConnection { request.connection }

    var phase = Phase.asking
    var ticket: CaptureTicket?
    var attempt = 0
    var exchange: UpstreamExchange?
    /// First byte, pause between attempts, or end of a drain: never two at a time.
    var timer: Scheduled<Void>?
    var pausedReading = false

    var answerHead: HTTPResponseHead?
    var isSSE = false
    /// Whether something of the answer is on its way to the client.
    var answerStarted = false
    var held: [ByteBuffer] = []
    /// Of the answer's body.
    private var lastByte: UInt8?
    var observer: AnswerObserver?
    var sent = CapturedBody()
    var received = CapturedBody()
    /// When the first attempt of the call's first step went out.
    private(set) var askedFirst: NIODeadline
    var headAt: NIODeadline?
    var waiting: Ending?

    init(_ request: ProxyRequest, _ plan: StepPlan, index: Int, isLast: Bool) {
        self.request = request
        self.plan = plan
        self.index = index
        self.isLast = isLast
        if index == 0 {
            (id, began, startedAtMs) = (request.id, request.began, request.startedAtMs)
            askedFirst = .now()
        } else {
            began = .now()
            askedFirst = began
            startedAtMs = request.loop.services.clock.milliseconds()
            id = RecordID(milliseconds: startedAtMs, random: &request.loop.random)
        }
    }

    func start() {
        loop.callBegan()
        if plan.options.collectsLog, let gateway = request.gateway {
            switch loop.services.capture.admit(id, gateway: gateway.uid, policy: gateway.settings.fullOutboxPolicy) {
            case .admitted(let ticket): self.ticket = ticket
            case .proxyWithoutLog: loop.metrics.count(.rowNotCaptured)
            case .reject:
                loop.metrics.count(.rowNotCaptured)
                return perform(.failure(.notLogged), .refused)
            }
        }
        if case .whole(let bytes) = plan.body { captureSent(plan.shownBody ?? bytes) }
        ask()
    }

    func ask() {
        attempt += 1
        phase = .asking
        if attempt == 1 { askedFirst = .now() }
        let head = HTTPRequestHead(
            version: .http1_1, method: plan.method, uri: plan.target.path, headers: plan.headers)
        let exchange = loop.upstreams.start(head, to: plan.origin, body: plan.body.framing, delegate: self)
        self.exchange = exchange
        switch plan.body {
        case .whole(let bytes):
            exchange.write(bytes)
            exchange.finishRequest()
        case .streamed where attempt > 1: exchange.finishRequest()
        case .streamed: break
        }
        if isRequestWhole { awaitFirstByte() }
    }

    /// The provider's time runs from when it has the whole request: a slow upload is not its fault.
    private func awaitFirstByte() {
        guard phase == .asking, timer == nil, let limit = plan.options.retry.timeoutMs(attempt: attempt) else { return }
        after(.milliseconds(Int64(limit))) { $0.attemptFailed(.timedOut, .timedOut, .noAnswer) }
    }

    // MARK: The client's side

    func requestPart(_ bytes: ByteBuffer) {
        captureSent(bytes)
        exchange?.write(bytes)
    }

    func requestEnded() {
        exchange?.finishRequest()
        awaitFirstByte()
    }

    func requestBurstEnded() { exchange?.flush() }

    func clientWritabilityChanged(_ writable: Bool) {
        guard writable, pausedReading else { return }
        pausedReading = false
        exchange?.resumeReading()
    }

    func clientLeft() {
        switch phase {
        case .asking, .collecting:
            stop()
            conclude(.clientLeft, status: 0, .nothing)
        case .relaying where isSSE && ticket != nil && plan.target.usageFormat != .none && !loop.isDraining:
            phase = .draining
            drainFrom = received.total
            held = []
            exchange?.resumeReading()
            after(TimeAmount(loop.settings.drainTimeout)) { run in
                run.stop()
                run.conclude(.clientLeft, status: run.statusSent, .nothing)
            }
        case .relaying:
            stop()
            conclude(.clientLeft, status: statusSent, .nothing)
        case .draining, .over: break
        }
    }

    /// An event stream without framing that stops within a line was cut, although its connection closed in order.
    private var endsMidLine: Bool {
        guard isSSE, let headers = answerHead?.headers, let lastByte else { return false }
        return lastByte != UInt8(ascii: "\n") && lastByte != UInt8(ascii: "\r")
            && !headers.contains(name: "content-length") && !headers.contains(name: "transfer-encoding")
    }

    var statusSent: Int { answerStarted ? statusSeen : 0 }
    /// What the provider said, sent on or not.
    private var statusSeen: Int { Int(answerHead?.status.code ?? 0) }

    // MARK: The provider's side

    func upstreamWritabilityChanged(_ exchange: UpstreamExchange, isWritable: Bool) {
        guard case .streamed = plan.body, phase != .over else { return }
        if isWritable { connection.resumeRequest() } else { connection.pauseRequest() }
    }

    func upstreamReceived(_ exchange: UpstreamExchange, head: HTTPResponseHead) {
        cancelTimer()
        headAt = .now()
        let status = Int(head.status.code)
        let retry = plan.options.retry
        if attempt < retry.maxAttempts, isRequestWhole {
            let verdict = retry.verdict(
                on: .answered(status: status, retryAfter: head.headers.first(name: "retry-after")), attempt: attempt,
                nowMs: loop.services.clock.milliseconds())
            if case .retry(let pause) = verdict { return askAgain(afterMs: pause) }
        }
        answerHead = head
        let type = head.headers.first(name: "content-type")
        isSSE = AnswerObserver.isEventStream(type)
        if ticket != nil {
            observer = AnswerObserver(
                format: plan.target.usageFormat, contentType: type, isSSE: isSSE,
                contentEncoding: head.headers.first(name: "content-encoding"))
        }
        if isLast || !RetryPolicy.fallsBack(status: status) {
            phase = .relaying
        } else {
            phase = .collecting
            after(TimeAmount(loop.settings.drainTimeout)) { run in
                run.stop()
                run.conclude(.upstreamFailed, status: status, .nextStep)
            }
        }
    }

    func upstreamReceived(_ exchange: UpstreamExchange, part: ByteBuffer) {
        if ticket != nil {
            part.withUnsafeReadableBytes { observer?.consume($0) }
        }
        captureReceived(part)
        lastByte = part.readableBytesView.last ?? lastByte
        switch phase {
        case .relaying: held.append(part)
        case .collecting, .draining:
            if received.total > receivedMax {
                stop()
                let isDrain = phase == .draining
                conclude(
                    isDrain ? .clientLeft : .upstreamFailed, status: isDrain ? statusSent : statusSeen,
                    isDrain ? .nothing : .nextStep)
            }
        case .asking, .over: break
        }
    }

    /// Bytes of an answer that nobody waits for, counted from its start.
    var receivedMax: Int { drainFrom + loop.settings.drainBytesMax }
    var drainFrom = 0

    func upstreamReadComplete(_ exchange: UpstreamExchange) {
        guard phase == .relaying, !held.isEmpty || !answerStarted else { return }
        if !answerStarted {
            guard writeIntent() else { return }
            startAnswer()
        }
        for part in held { connection.write(part) }
        held.removeAll(keepingCapacity: true)
        connection.flush()
        if !connection.isWritable, !connection.isGone {
            pausedReading = true
            exchange.pauseReading()
        }
    }

    func upstreamEnded(_ exchange: UpstreamExchange, trailers: HTTPHeaders?) {
        cancelTimer()
        switch phase {
        case .relaying where endsMidLine: conclude(.upstreamFailed, status: statusSeen, .cut)
        case .relaying: conclude(.completed, status: statusSeen, .end(trailers))
        case .collecting: conclude(.completed, status: statusSeen, .nextStep)
        case .draining: conclude(.clientLeft, status: statusSent, .nothing)
        case .asking, .over: break
        }
    }

    func upstreamFailed(_ exchange: UpstreamExchange, _ failure: UpstreamFailure) {
        loop.warn(of: failure, provider: plan.target.provider)
        switch phase {
        case .asking: attemptFailed(.unreachable, .upstreamFailed, failure.answer)
        case .relaying where !answerStarted:
            answerHead = nil
            held = []
            observer = nil
            attemptFailed(.unreachable, .upstreamFailed, failure.answer)
        case .relaying:
            cancelTimer()
            conclude(.upstreamFailed, status: statusSent, .cut)
        case .collecting:
            cancelTimer()
            conclude(.upstreamFailed, status: statusSeen, .nextStep)
        case .draining:
            cancelTimer()
            conclude(.clientLeft, status: statusSent, .nothing)
        case .over: break
        }
    }
}
