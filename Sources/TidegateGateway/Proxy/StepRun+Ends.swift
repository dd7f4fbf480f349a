internal import NIOCore
internal import TidegateCore

// How attempts end, and with them the step.
extension StepRun {
    // MARK: Attempts

    /// Whether the request does not wait for its client's bytes: it goes out at once, and can be sent once more.
    var isRequestWhole: Bool {
        switch plan.body {
        case .whole, .streamed(.none), .streamed(.length(0)): true
        case .streamed: false
        }
    }

    func attemptFailed(
        _ outcome: RetryPolicy.Outcome, _ recorded: RecordOutcome, _ failure: GatewayFailure
    ) {
        stop()
        if isRequestWhole {
            let now = loop.services.clock.milliseconds()
            if case .retry(let pause) = plan.options.retry.verdict(on: outcome, attempt: attempt, nowMs: now) {
                return askAgain(afterMs: pause)
            }
        }
        conclude(recorded, status: isLast ? failure.status : 0, isLast ? .failure(failure) : .nextStep)
    }

    func askAgain(afterMs pause: Int) {
        stop()
        phase = .asking
        loop.metrics.count(.retry)
        received.release(to: loop.captureBudget)
        received = CapturedBody()
        after(.milliseconds(Int64(pause))) { $0.ask() }
    }

    /// Ends the exchange and the timer, whatever they were about.
    func stop() {
        cancelTimer()
        exchange?.cancel()
        exchange = nil
    }

    func after(_ delay: TimeAmount, _ body: @escaping (StepRun) -> Void) {
        timer = loop.eventLoop.assumeIsolated().scheduleTask(in: delay) { [self] in
            timer = nil
            body(self)
        }
    }

    func cancelTimer() {
        timer?.cancel()
        timer = nil
    }

    // MARK: Ends

    /// Writes the row, then does what follows; an answer's end waits until the row is safe.
    func conclude(_ outcome: RecordOutcome, status: Int, _ ending: Ending) {
        guard phase != .over else { return }
        phase = .over
        var ending = ending
        if case .failure(let failure) = ending { captureReceived(ByteBuffer(bytes: failure.body)) }
        let isSafe = writeCompletion(outcome, status: status, &ending)
        if isSafe { perform(ending, outcome) } else { waiting = ending }
    }

    /// The row of an answer that waited for it is safe, or given up.
    func becameDurable(_ outcome: RecordOutcome) {
        guard let ending = waiting else { return }
        waiting = nil
        perform(ending, outcome)
    }

    func perform(_ ending: Ending, _ outcome: RecordOutcome) {
        phase = .over
        exchange = nil
        switch ending {
        case .end(let trailers):
            request.answered(.init(outcome))
            if !answerStarted { startAnswer() }
            for part in held { connection.write(part) }
            held = []
            connection.endAnswer(trailers: trailers)
            connection.flush()
        case .failure(let failure):
            request.answered(.init(outcome))
            let headers = request.ownHeaders(
                step: self, isLogged: ticket != nil, eventID: plan.options.eventID, count: 4)
            request.respond(failure, headers: headers)
        case .cut:
            request.answered(.init(outcome))
            if !answerStarted { startAnswer() }
            for part in held { connection.write(part) }
            held = []
            if let bytes = StreamFailure.bytes(format: plan.target.usageFormat, isSSE: isSSE) {
                connection.write(loop.allocator.buffer(bytes: bytes))
            }
            connection.flushAndCut()
        case .nextStep: request.stepFailed(self)
        case .nothing: request.answered(.init(outcome))
        }
        loop.callEnded()
    }
}

extension UpstreamFailure {
    /// What the client is told when there is no answer.
    var answer: GatewayFailure {
        switch self {
        case .queueFull, .waitTimeout, .poolClosed: .overloaded("Too many calls wait for this provider. Try again.")
        case .dnsFailed, .connectFailed, .tlsFailed, .connectionClosed, .protocolError, .requestBodyMismatch: .noAnswer
        }
    }
}

extension DataPlaneMetrics.Outcome {
    fileprivate init(_ outcome: RecordOutcome) {
        switch outcome {
        case .completed: self = .completed
        case .clientLeft: self = .clientLeft
        case .upstreamFailed, .aborted: self = .upstreamFailed
        case .timedOut: self = .timedOut
        case .refused: self = .refused
        }
    }
}
