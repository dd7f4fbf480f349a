internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import TidegateCore

/// One call under `/v1/…`: finds its gateway, checks its token, plans its steps and runs them in turn.
///
/// Lives on its connection's loop. `ProxyRequest+Entry` is the way to a plan, `StepRun` the way of each step.
final class ProxyRequest: RequestResponder {
    private enum BodyUse {
        case unused
        /// The parts go to the running step.
        case streamed
        /// They are kept until the request is whole, then `plan` runs.
        case collected
    }

    let connection: ClientConnection
    let loop: LoopState
    let head: HTTPRequestHead
    let target: RequestTarget
    let framing: RequestFraming
    let id: RecordID
    let startedAtMs: Int64
    /// When our work began: at the head, or at the body's end where it had to be whole.
    private(set) var began = NIODeadline.now()
    lazy var idText = id.description

    var gateway: GatewayView?
    var isAuthenticated = false
    /// The request stays held: the directory is being asked for its token.
    var awaitsToken = false
    /// Lower-case names of fields that stay here: those that held the gateway's token.
    var keptHere: Set<String> = []
    var kind = ProxyKind.native
    /// Makes the plan once the body is whole.
    private var planWhole: ((ProxyRequest, ByteBuffer) throws(GatewayFailure) -> [StepPlan])?

    private var bodyUse = BodyUse.unused
    private var collected: ByteBuffer?
    /// The step that runs when the body turns out too long to be kept.
    private var streamedPlan: StepPlan?
    private var plans: [StepPlan] = []
    private var run: StepRun?
    private(set) var isOver = false

    init(
        _ head: HTTPRequestHead, _ target: RequestTarget, _ framing: RequestFraming, _ connection: ClientConnection
    ) {
        self.head = head
        self.target = target
        self.framing = framing
        self.connection = connection
        loop = connection.loop
        startedAtMs = loop.services.clock.milliseconds()
        id = RecordID(milliseconds: startedAtMs, random: &loop.random)
    }

    static func begin(
        _ head: HTTPRequestHead, _ target: RequestTarget, _ framing: RequestFraming, _ connection: ClientConnection
    ) -> any RequestResponder {
        let request = ProxyRequest(head, target, framing, connection)
        request.enter()
        return request
    }

    // MARK: The client's side

    func requestBody(_ bytes: ByteBuffer) {
        switch bodyUse {
        case .unused: break
        case .streamed: run?.requestPart(bytes)
        case .collected: collect(bytes)
        }
    }

    func requestEnded() {
        switch bodyUse {
        case .unused: break
        case .streamed: run?.requestEnded()
        case .collected:
            guard let planWhole else { return }
            began = .now()
            let body = collected ?? ByteBuffer()
            collected = nil
            do throws(GatewayFailure) {
                start(try planWhole(self, body))
            } catch {
                refuse(error)
            }
        }
    }

    func requestBurstEnded() { if bodyUse == .streamed { run?.requestBurstEnded() } }
    func clientWritabilityChanged(_ writable: Bool) { run?.clientWritabilityChanged(writable) }

    func clientLeft() {
        guard !isOver else { return }
        isOver = true
        loop.metrics.request(.clientLeft)
        run?.clientLeft()
        run = nil
    }

    // MARK: Plans

    /// Sends the client's bytes on as they come.
    func stream(_ plan: StepPlan) {
        bodyUse = .streamed
        start([plan])
    }

    /// Keeps the body until it is whole. A body that is too long runs as `otherwise`, or is refused.
    func collect(
        otherwise plan: StepPlan?,
        then make: @escaping (ProxyRequest, ByteBuffer) throws(GatewayFailure) -> [StepPlan]
    ) {
        bodyUse = .collected
        streamedPlan = plan
        planWhole = make
    }

    private func collect(_ bytes: ByteBuffer) {
        guard var body = collected else { return collected = bytes }
        guard body.readableBytes + bytes.readableBytes <= loop.settings.replayBytesMax else {
            return overflow(body, bytes)
        }
        collected = nil
        var part = bytes
        body.writeBuffer(&part)
        collected = body
    }

    private func overflow(_ body: ByteBuffer, _ bytes: ByteBuffer) {
        collected = nil
        planWhole = nil
        guard let plan = streamedPlan else {
            return refuse(.tooLarge("This endpoint takes at most \(loop.settings.replayBytesMax) bytes."))
        }
        stream(plan)
        run?.requestPart(body)
        run?.requestPart(bytes)
    }

    private func start(_ plans: [StepPlan]) {
        self.plans = plans
        startStep(0)
    }

    private func startStep(_ index: Int) {
        let run = StepRun(self, plans[index], index: index, isLast: index == plans.count - 1)
        self.run = run
        run.start()
    }

    // MARK: What a step tells

    func stepFailed(_ run: StepRun) {
        guard !isOver, run === self.run else { return }
        startStep(run.index + 1)
    }

    /// The client's answer has ended, well or not.
    func answered(_ outcome: DataPlaneMetrics.Outcome) {
        guard !isOver else { return }
        isOver = true
        run = nil
        loop.metrics.request(outcome)
    }

    // MARK: Answers of our own

    /// Answers before any step ran: no row.
    func refuse(_ failure: GatewayFailure) {
        guard !isOver else { return }
        answered(.refused)
        respond(failure, headers: ownHeaders(step: nil, isLogged: false, eventID: nil, count: 4))
    }

    func respond(_ failure: GatewayFailure, headers: HTTPHeaders) {
        respond(status: failure.status, headers: headers, body: loop.allocator.buffer(bytes: failure.body))
    }

    func respond(status: Int, headers: HTTPHeaders, body: ByteBuffer) {
        var headers = headers
        headers.add(name: "content-type", value: GatewayFailure.contentType)
        connection.answer(HTTPResponseStatus(statusCode: status), headers, body: body)
    }

    /// The gateway's own response fields.
    func ownHeaders(step: StepRun?, isLogged: Bool, eventID: String?, count: Int) -> HTTPHeaders {
        var headers = HTTPHeaders()
        headers.reserveCapacity(count + 7)
        if isLogged, let step { headers.add(name: "cf-aig-log-id", value: step.idText) }
        headers.add(name: "cf-aig-event-id", value: eventID ?? idText)
        headers.add(name: "cf-aig-request-id", value: idText)
        if let step { headers.add(name: "cf-aig-step", value: step.index == 0 ? "0" : String(step.index)) }
        let now = NIODeadline.now()
        headers.add(name: "x-tidegate-overhead-ms", value: (step?.ownTime(until: now) ?? now - began).milliseconds3)
        return headers
    }
}

/// Through which door a call came.
enum ProxyKind {
    case native, universal, compat

    var requestType: String { self == .universal ? "universal" : "http" }
}
