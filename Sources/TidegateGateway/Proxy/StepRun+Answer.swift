internal import NIOCore
internal import NIOHTTP1
internal import TidegateCore

extension StepRun {
    /// Sends the provider's head with our fields.
    func startAnswer() {
        guard let head = answerHead else { return }
        answerStarted = true
        let ours = ownTime(until: .now())
        loop.metrics.overhead(nanoseconds: ours.nanoseconds)
        var headers = ForwardedHeaders.downstream(head.headers)
        if ticket != nil { headers.add(name: "cf-aig-log-id", value: idText) }
        headers.add(name: "cf-aig-event-id", value: plan.options.eventID ?? request.idText)
        headers.add(name: "cf-aig-request-id", value: request.idText)
        headers.add(name: "cf-aig-step", value: index == 0 ? "0" : String(index))
        headers.add(name: "x-tidegate-overhead-ms", value: ours.milliseconds3)
        connection.startAnswer(head.status, headers, hasLength: head.headers.contains(name: "content-length"))
    }

    /// Our share of the time until `now`: before the first attempt, and since the answer's head.
    func ownTime(until now: NIODeadline) -> TimeAmount { (askedFirst - began) + (now - (headAt ?? now)) }

    func captureSent(_ bytes: ByteBuffer) {
        guard ticket != nil else { return sent.count(bytes) }
        sent.append(bytes, loop.bodyBounds, budget: loop.captureBudget) { openBody(.request) }
    }

    func captureReceived(_ bytes: ByteBuffer) {
        guard ticket != nil, plan.options.collectsPayload else { return received.count(bytes) }
        received.append(bytes, loop.bodyBounds, budget: loop.captureBudget) { openBody(.response) }
    }

    private func openBody(_ part: BodyPart) -> (any BodyFile)? {
        guard let ticket, plan.options.collectsPayload else { return nil }
        return loop.services.capture.openBody(part, of: ticket)
    }
}

extension TimeAmount {
    /// Milliseconds with three digits behind the point.
    var milliseconds3: String {
        let micros = max(0, nanoseconds) / 1_000
        let rest = micros % 1_000
        let digits = rest < 10 ? "00\(rest)" : rest < 100 ? "0\(rest)" : "\(rest)"
        return "\(micros / 1_000).\(digits)"
    }
}
