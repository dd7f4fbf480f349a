internal import Logging
internal import Metrics
internal import Synchronization
package import TidegateCore

extension Outbox {
    package func admit(_ id: RecordID, gateway: GatewayUID, policy: FullOutboxPolicy) -> CaptureAdmission {
        let ticket = state.withLock { state in
            state.failure == nil && !state.isClosing ? state.core.admit(id, gateway: gateway) : nil
        }
        if let ticket { return .admitted(ticket) }
        metrics.refused.increment()
        return policy == .reject ? .reject : .proxyWithoutLog
    }

    package func writeIntent(_ ticket: CaptureTicket, announcing record: LogRecord) throws(TidegateError) {
        let announced = record.encoded()
        let frame = Self.frame(.intent, ticket, body: announced)
        FaultPoint.beforeIntent.reached()
        defer { FaultPoint.afterIntent.reached() }
        try locked { state throws(TidegateError) in
            guard state.core.isOpen(ticket), !state.core.hasIntent(ticket) else { throw Self.usedUp }
            _ = try append(frame, announced, &state)
            state.core.wroteIntent(
                ticket, announced: announced, segment: state.writer.number, bytes: frame.bytes)
        }
    }

    package func complete(
        _ ticket: CaptureTicket, _ record: LogRecord, whenDurable: @escaping @Sendable (TidegateError?) -> Void
    ) throws(TidegateError) -> CaptureResult {
        let payload = record.encoded()
        let bodies = OutboxBodies(record, sequence: 0, intent: ticket.intent)
        guard payload.count <= OutboxFrame.bodyBytesMax else {
            abandon(ticket)
            throw TidegateError(.invalidRequest, "The record has \(payload.count) bytes, more than the outbox takes.")
        }
        var frame = Self.frame(.completion, ticket, body: payload)
        frame.files = bodies?.parts ?? []
        let isPower = settings.mode == .power
        defer { FaultPoint.afterCompletion.reached() }
        try locked { state throws(TidegateError) in
            guard state.core.isOpen(ticket) else { throw Self.usedUp }
            do throws(TidegateError) { try complete(&frame, ticket, payload, &state, bodies) } catch {
                if let announced = state.core.openIntent(ticket) {
                    state.stranded.append(OutboxRecovery.OpenIntent(ticket: ticket, announced: announced))
                } else {
                    state.core.abandoned(ticket)
                }
                throw error
            }
            if isPower {
                state.durable.append(whenDurable)
                for body in bodies?.bodies ?? [] {
                    state.unsyncedBodies.append(self.bodies.path(ticket.intent, body.part))
                }
            }
        }
        metrics.captured.increment()
        return isPower ? .pending : .durable
    }

    package func abandon(_ ticket: CaptureTicket) {
        state.withLock { state in
            guard state.core.hasIntent(ticket) else { return state.core.abandoned(ticket) }
            let frame = Self.frame(.abandoned, ticket, body: [])
            do throws(TidegateError) {
                _ = try append(frame, [], &state)
                state.core.abandoned(ticket, segment: state.writer.number, bytes: OutboxFrame.headBytes)
            } catch {
                logger.warning("An intent without a row stays open", metadata: ["error": "\(error)"])
            }
        }
    }

    private static func frame(_ kind: OutboxFrame.Kind, _ ticket: CaptureTicket, body: [UInt8]) -> OutboxFrame {
        var frame = OutboxFrame(kind)
        frame.intent = ticket.intent
        frame.gateway = ticket.gateway
        frame.id = ticket.id
        frame.bodyBytes = body.count
        frame.bodyChecksum = CRC32C.checksum(body)
        return frame
    }

    func complete(
        _ frame: inout OutboxFrame, _ ticket: CaptureTicket, _ payload: [UInt8], _ state: inout State,
        _ bodies: OutboxBodies? = nil
    ) throws(TidegateError) {
        frame.sequence = state.core.nextSequence(of: ticket.gateway)
        let offset = try append(frame, payload, &state)
        state.core.completed(
            ticket, segment: state.writer.number, offset: UInt32(offset), bytes: frame.bytes, payload: payload,
            bodies: bodies?.at(frame.sequence))
    }

    /// Writes aborted rows for intents that nobody will complete.
    func endStranded(_ state: inout State) throws(TidegateError) {
        while let one = state.stranded.last {
            let payload = one.abortedRow.encoded()
            var frame = Self.frame(.completion, one.ticket, body: payload)
            try complete(&frame, one.ticket, payload, &state)
            state.stranded.removeLast()
            metrics.aborted.increment()
        }
    }

    func append(
        _ frame: OutboxFrame, _ body: [UInt8], _ state: inout State
    ) throws(TidegateError) -> Int {
        guard !state.isClosing else { throw TidegateError(.unavailable, "The outbox is closed.") }
        do throws(SystemFailure) {
            let wasClean = state.writer.isClean
            if state.writer.needsNewFile { try startFile(&state) }
            let offset = try body.withUnsafeBufferPointer { bytes throws(SystemFailure) in
                try state.writer.append(frame, body: UnsafeRawBufferPointer(bytes))
            }
            if wasClean { pulse.ring() }
            return offset
        } catch {
            metrics.failures.increment()
            if state.failure == nil {
                logger.error("The outbox cannot write; calls go on by policy", metadata: ["error": "\(error)"])
                state.failure = error.error
                pulse.ring()
            }
            throw error.error
        }
    }

    func startFile(_ state: inout State) throws(SystemFailure) {
        let bytes = try state.writer.startFile(state.core.counters)
        state.core.opened(state.writer.number, bytes: bytes)
    }

    private func locked(_ body: (inout State) throws(TidegateError) -> Void) throws(TidegateError) {
        let failure: TidegateError? = state.withLock { state in
            do throws(TidegateError) { try body(&state) } catch { return error }
            return nil
        }
        if let failure { throw failure }
    }

    private static var usedUp: TidegateError {
        TidegateError(.internalError, "The capture ticket is used up, or its intent is written already.")
    }
}
