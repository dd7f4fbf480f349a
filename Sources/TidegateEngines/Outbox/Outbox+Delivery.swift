internal import Logging
internal import Metrics
internal import Synchronization
package import TidegateCore

extension Outbox {
    /// After `close` it returns at once.
    package func waitForRecords() async {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isReady = state.withLock { state in
                    if state.hasNews || state.isClosing || Task.isCancelled {
                        state.hasNews = false
                        return true
                    }
                    state.waiters[id] = continuation
                    return false
                }
                if isReady { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: id) }?.resume()
        }
    }

    package func gatewaysWithRecords() -> [GatewayUID] { state.withLock { $0.core.gatewaysWithRecords() } }

    package func records(
        of gateway: GatewayUID, from sequence: UInt64?, recordsMax: Int, bytesMax: Int
    ) async throws(TidegateError) -> DeliveryBatch? {
        let plan = state.withLock { state in
            state.isMinting
                ? nil : state.core.plan(gateway, from: sequence, recordsMax: recordsMax, bytesMax: bytesMax)
        }
        guard let plan else { return nil }
        var records: [ArraySlice<UInt8>]
        switch plan.source {
        case .memory(let payloads): records = payloads.map { $0[...] }
        case .lost(let count): records = (0..<min(count, 1_024)).map { lost(gateway, plan, UInt64($0)) }
        case .files(let positions):
            let reader = SegmentReader(directory: directory)
            records = try await readers.run { () throws(TidegateError) in
                do throws(SystemFailure) {
                    return try reader.payloads(
                        of: gateway, stored: plan.stored, at: positions, bytesMax: bytesMax)
                } catch { throw error.error }
            }
            if records.isEmpty { records = [damaged(gateway, plan)] }
        }
        for row in plan.bodies where row.sequence - plan.stored < UInt64(records.count) {
            let index = Int(row.sequence - plan.stored)
            records[index] = row.applied(to: records[index])
        }
        return DeliveryBatch(
            stream: plan.stream, gateway: gateway, firstSequence: plan.first, records: records,
            resolvedBelow: plan.resolvedBelow)
    }

    /// Numbers of a stream that was current before the last `mintNewStream` must not be handed in here.
    package func acknowledge(_ gateway: GatewayUID, through sequence: UInt64) {
        let (count, isWorkDue) = state.withLock { state in
            let before = state.core.statistics.acknowledged
            state.core.acknowledge(gateway, through: sequence)
            let count = state.core.statistics.acknowledged - before
            let isWorkDue = count > 0 && !state.isCursorDirty
            if count > 0 { state.isCursorDirty = true }
            return (count, isWorkDue)
        }
        if count > 0 { metrics.acknowledged.increment(by: Int(count)) }
        if isWorkDue { pulse.ring() }
    }

    package func mintNewStream() async throws(TidegateError) {
        let result: Result<Void, TidegateError> = await withCheckedContinuation { continuation in
            let isClosing = state.withLock { state in
                if !state.isClosing { state.minting.append(continuation) }
                return state.isClosing
            }
            if isClosing {
                continuation.resume(returning: .failure(TidegateError(.unavailable, "The outbox is closed.")))
            } else {
                pulse.ring()
            }
        }
        try result.get()
    }

    private func damaged(_ gateway: GatewayUID, _ plan: OutboxCore.Plan) -> ArraySlice<UInt8> {
        logger.error(
            "A captured record is damaged on disk; an aborted row takes its place",
            metadata: ["gateway": "\(gateway)", "sequence": "\(plan.stored)"])
        metrics.lost.increment()
        return lost(gateway, plan, 0)
    }

    /// What stands for a record that a damaged file has lost: the same each time it is asked for.
    private func lost(_ gateway: GatewayUID, _ plan: OutboxCore.Plan, _ index: UInt64) -> ArraySlice<UInt8> {
        let sequence = plan.stored + index
        var record = LogRecord(
            id: Self.identifier(plan.stream, gateway, sequence), gateway: gateway, startedAtMs: clock.milliseconds())
        record.outcome = .aborted
        return record.encoded()[...]
    }

    /// A UUID of version 8 that stream, gateway and number decide.
    private static func identifier(_ stream: StreamID, _ gateway: GatewayUID, _ sequence: UInt64) -> RecordID {
        func mixed(_ value: UInt64) -> UInt64 {
            var value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
            value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
            return value ^ value >> 31
        }
        func part(_ salt: UInt64) -> UInt64 {
            [
                UInt64(truncatingIfNeeded: stream.bits >> 64), UInt64(truncatingIfNeeded: stream.bits),
                UInt64(truncatingIfNeeded: gateway.bits >> 64), UInt64(truncatingIfNeeded: gateway.bits), sequence,
            ].reduce(salt) { mixed($0 &+ 0x9E37_79B9_7F4A_7C15 ^ $1) }
        }
        let high = part(1) & ~0xF000 | 0x8000
        let low = part(2) & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
        return RecordID(bits: UInt128(high) << 64 | UInt128(low))
    }
}
