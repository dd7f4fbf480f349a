internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import TidegateCore

extension StepRun {
    /// Before the first byte of an answer whose end is not there yet.
    /// - Returns: false when the call was refused instead.
    func writeIntent() -> Bool {
        guard let ticket else { return true }
        do throws(TidegateError) {
            try loop.services.capture.writeIntent(ticket, announcing: announcement)
            return true
        } catch {
            captureFailed(error)
            loop.services.capture.abandon(ticket)
            self.ticket = nil
            guard refusesUnlogged else { return true }
            stop()
            conclude(.refused, status: GatewayFailure.notLogged.status, .failure(.notLogged))
            return false
        }
    }

    /// - Returns: whether what follows may happen now.
    func writeCompletion(_ outcome: RecordOutcome, status: Int, _ ending: inout Ending) -> Bool {
        defer {
            sent.release(to: loop.captureBudget)
            received.release(to: loop.captureBudget)
        }
        guard let ticket else { return true }
        let row = record(outcome, status: status)
        let me = NIOLoopBound(self, eventLoop: loop.eventLoop)
        do throws(TidegateError) {
            let result = try loop.services.capture.complete(ticket, row) { failure in
                me.eventLoop.execute {
                    if let failure { me.value.captureFailed(failure) }
                    me.value.becameDurable(outcome)
                }
            }
            return result == .durable || !ending.waitsForRow
        } catch {
            captureFailed(error)
            sent.discardFile()
            received.discardFile()
            self.ticket = nil
            if !answerStarted, refusesUnlogged, ending.waitsForRow { ending = .failure(.notLogged) }
            return true
        }
    }

    private var refusesUnlogged: Bool { request.gateway?.settings.fullOutboxPolicy == .reject }

    private func captureFailed(_ error: TidegateError) {
        loop.metrics.count(.captureFailure)
        loop.services.logger.error("A row could not be captured", metadata: ["error": "\(error)"])
    }

    /// What is known before the end: enough to say later which call it was that never ended.
    private var announcement: LogRecord {
        var row = known(.aborted, status: Int(answerHead?.status.code ?? 0))
        row.durationMs = row.latencyMs
        row.model = modelAsked
        row.requestBytes = UInt64(sent.total)
        row.flags.insert(.bodiesOmitted)
        return row
    }

    private func record(_ outcome: RecordOutcome, status: Int) -> LogRecord {
        var row = known(outcome, status: status)
        row.durationMs = (NIODeadline.now() - began).wholeMilliseconds
        tokens(&row, outcome)
        bodies(&row)
        return row
    }

    private func known(_ outcome: RecordOutcome, status: Int) -> LogRecord {
        let options = plan.options
        var row = LogRecord(id: id, gateway: request.gateway?.uid ?? GatewayUID(bits: 0), startedAtMs: startedAtMs)
        row.latencyMs = ((headAt ?? .now()) - began).wholeMilliseconds
        row.eventID = options.eventID ?? request.idText
        row.provider = plan.target.provider
        row.path = plan.target.loggedPath
        row.method = plan.method.rawValue
        row.requestType = request.kind.requestType
        row.requestContentType = plan.requestContentType
        row.responseContentType = answerHead?.headers.first(name: "content-type") ?? ""
        row.userAgent = request.framing.userAgent
        row.step = UInt32(index)
        row.attempts = UInt32(attempt)
        row.statusCode = UInt16(clamping: status)
        row.outcome = outcome
        row.metadata = options.metadata
        if request.isAuthenticated { row.flags.insert(.authenticated) }
        if plan.shownBody != nil { row.flags.insert(.compatibility) }
        if isSSE { row.flags.insert(.streamed) }
        return row
    }

    /// Of a long body the part in memory is looked at: most clients name the model first.
    private var modelAsked: String {
        plan.model ?? sent.bytes.withUnsafeBytes { RequestFields(body: $0, isWhole: !sent.isLong)?.model }
            ?? plan.target.model ?? ""
    }

    /// Also looks behind that part, in what is not too long to be read on an event loop.
    private var modelAnywhere: String {
        let model = modelAsked
        guard model.isEmpty, let whole = sent.contents(bytesMax: loop.settings.modelSearchBytesMax) else {
            return model
        }
        return whole.withUnsafeBytes { RequestFields(body: $0)?.model } ?? ""
    }

    private func tokens(_ row: inout LogRecord, _ outcome: RecordOutcome) {
        let observed = observer?.finish()
        observer = nil
        if let usage = observed?.usage {
            row.usage = usage
            row.usageSource = outcome == .clientLeft ? .drained : .provider
        }
        row.model = observed?.model ?? modelAnywhere
        if let custom = plan.options.customCost {
            // A fixed price is for an answer; prices by token need tokens, which a failed call has none of.
            row.cost = row.isSuccess || custom.totalCost == nil ? custom.cost(of: row.usage) : nil
            if row.cost != nil { row.flags.insert(.customCost) }
        } else if let usage = row.usage,
            let price = loop.price(provider: row.provider, model: row.model)
        {
            row.cost = price.cost(of: usage)
            row.priceVersion = loop.prices.version
        }
    }

    private func bodies(_ row: inout LogRecord) {
        row.requestBytes = UInt64(sent.total)
        row.responseBytes = UInt64(received.total)
        guard plan.options.collectsPayload else { return row.flags.formUnion(.bodiesOmitted) }
        if let mark = sent.finishFile() { row.requestObject = mark } else { row.requestBody = sent.bytes[...] }
        if let mark = received.finishFile() {
            row.responseObject = mark
        } else {
            row.responseBody = received.bytes[...]
        }
        if sent.isTruncated { row.flags.insert(.requestBodyTruncated) }
        if received.isTruncated { row.flags.insert(.responseBodyTruncated) }
        if sent.isTruncated || received.isTruncated { loop.metrics.count(.bodyTruncated) }
    }
}

extension StepRun.Ending {
    /// Whether a client waits behind it for its row.
    var waitsForRow: Bool {
        switch self {
        case .end, .failure: true
        case .cut, .nextStep, .nothing: false
        }
    }
}

extension TimeAmount {
    fileprivate var wholeMilliseconds: UInt32 { UInt32(clamping: nanoseconds / 1_000_000) }
}
