/// Decides what of the outbox is sent when, and what an owner's verdicts mean (protocol §4 step 4, A24).
///
/// Per gateway, batches go out in sequence order, several in flight, as far as the byte credits reach. A batch that comes
/// back with anything but final verdicts stops its gateway: what is in flight is waited for, then sending begins again
/// behind the last acknowledged record. Other gateways go on meanwhile.
package struct DrainCore: Sendable {
    package enum Event: Sendable {
        /// These gateways have unacknowledged records, longest waiting first.
        case recordsWaiting([GatewayUID])
        /// The answer to `read`: a batch that is being sent now, or nothing behind that sequence.
        case sent(GatewayUID, firstSequence: UInt64, count: Int, bytes: Int)
        case nothingToSend(GatewayUID)
        case readFailed(GatewayUID)
        case verdicts(GatewayUID, firstSequence: UInt64, bytes: Int, [RecordVerdict])
        case tick
    }

    package enum Effect: Equatable, Sendable {
        /// Read the next batch from `sequence` on (`nil`: from the oldest unacknowledged) and send it.
        case read(GatewayUID, from: UInt64?, bytesMax: Int)
        case acknowledge(GatewayUID, through: UInt64)
        case mintNewStream
        case wake(after: Duration)
    }

    private struct Lane {
        /// Next sequence to send; `nil` is the oldest unacknowledged.
        var next: UInt64?
        var batchesInFlight = 0
        var bytesInFlight = 0
        var isReading = false
        var mayHaveMore = true
        /// A verdict asked to start over: nothing is sent until what is in flight came back and this time has passed.
        var resumeAt: Duration?
        var failures = 0
        var isIdle: Bool { batchesInFlight == 0 && !isReading && !mayHaveMore && resumeAt == nil }
    }

    private let settings: DrainSettings
    private var lanes: [GatewayUID: Lane] = [:]
    private var order: [GatewayUID] = []
    private var bytesInFlight = 0
    /// Room kept for batches that are being read: a read is asked for only when its largest answer has a place.
    private var bytesReserved = 0
    /// A new stream is wanted. Verdicts name numbers, not streams: it is minted once nothing is in flight that counts by the
    /// old one.
    private var isForked = false

    package init(settings: DrainSettings) { self.settings = settings }

    package mutating func handle(_ event: Event, at now: Duration) -> [Effect] {
        var effects: [Effect] = []
        switch event {
        case .recordsWaiting(let gateways):
            for gateway in gateways { open(gateway) }
        case .sent(let gateway, let first, let count, let bytes):
            endReading(gateway)
            lanes[gateway]?.next = first + UInt64(count)
            lanes[gateway]?.batchesInFlight += 1
            lanes[gateway]?.bytesInFlight += bytes
            bytesInFlight += bytes
        case .nothingToSend(let gateway):
            endReading(gateway)
            lanes[gateway]?.mayHaveMore = false
        case .readFailed(let gateway):
            endReading(gateway)
            startOver(gateway, after: backoff(gateway), at: now)
        case .verdicts(let gateway, let first, let bytes, let verdicts):
            lanes[gateway]?.batchesInFlight -= 1
            lanes[gateway]?.bytesInFlight -= bytes
            bytesInFlight -= bytes
            effects += judge(gateway, first, verdicts, at: now)
        case .tick: break
        }
        effects += sendable(at: now)
        if let wake = nextWake(at: now) { effects.append(.wake(after: wake)) }
        order.removeAll { lanes[$0]?.isIdle ?? true }
        lanes = lanes.filter { !$0.value.isIdle }
        return effects
    }

    private mutating func endReading(_ gateway: GatewayUID) {
        lanes[gateway]?.isReading = false
        bytesReserved -= settings.batchBytesMax
    }

    private mutating func open(_ gateway: GatewayUID) {
        if lanes[gateway] == nil {
            lanes[gateway] = Lane()
            order.append(gateway)
        }
        lanes[gateway]?.mayHaveMore = true
    }

    private mutating func judge(
        _ gateway: GatewayUID, _ first: UInt64, _ verdicts: [RecordVerdict], at now: Duration
    ) -> [Effect] {
        var effects: [Effect] = []
        var final = 0
        verdicts: for verdict in verdicts {
            switch verdict {
            case .committed, .duplicate, .permanent, .gone: final += 1
            case .later(let pause, _):
                startOver(gateway, after: max(pause, settings.retryMin), at: now)
                break verdicts
            case .expected, .moved:
                startOver(gateway, after: backoff(gateway), at: now)
                break verdicts
            case .fork:
                startOver(gateway, after: settings.retryMin, at: now)
                isForked = true
                break verdicts
            }
        }
        if final > 0 {
            effects.append(.acknowledge(gateway, through: first + UInt64(final) - 1))
            lanes[gateway]?.failures = 0
        }
        return effects
    }

    private mutating func startOver(_ gateway: GatewayUID, after pause: Duration, at now: Duration) {
        guard var lane = lanes[gateway] else { return }
        lane.next = nil
        lane.mayHaveMore = true
        lane.resumeAt = max(lane.resumeAt ?? .zero, now + pause)
        lane.failures = min(lane.failures + 1, 16)
        lanes[gateway] = lane
    }

    /// Doubles from `retryMin` to `retryMax`; the shell adds no jitter because one node has one drain per owner.
    private func backoff(_ gateway: GatewayUID) -> Duration {
        let failures = min(lanes[gateway]?.failures ?? 0, 16)
        return min(settings.retryMin * (1 << failures), settings.retryMax)
    }

    private mutating func sendable(at now: Duration) -> [Effect] {
        var effects: [Effect] = []
        if isForked {
            guard lanes.values.allSatisfy({ $0.batchesInFlight == 0 && !$0.isReading }) else { return [] }
            isForked = false
            for gateway in order { lanes[gateway]?.next = nil }
            effects.append(.mintNewStream)
        }
        for gateway in order {
            guard var lane = lanes[gateway] else { continue }
            if let resumeAt = lane.resumeAt {
                guard resumeAt <= now, lane.batchesInFlight == 0, !lane.isReading else { continue }
                lane.resumeAt = nil
                lane.next = nil
                lanes[gateway] = lane
            }
            guard lane.mayHaveMore, !lane.isReading, bytesInFlight + bytesReserved < settings.bytesInFlightMax,
                lane.bytesInFlight < settings.gatewayBytesInFlightMax
            else { continue }
            lanes[gateway]?.isReading = true
            bytesReserved += settings.batchBytesMax
            effects.append(.read(gateway, from: lane.next, bytesMax: settings.batchBytesMax))
        }
        return effects
    }

    private func nextWake(at now: Duration) -> Duration? {
        lanes.values.compactMap { $0.batchesInFlight == 0 ? $0.resumeAt : nil }.min()
            .map { max($0 - now, .milliseconds(1)) }
    }
}

/// Bounds of the drain.
package struct DrainSettings: Sendable {
    /// Payload bytes that may be under way to owners at once, in all and per gateway: the receivers' mailboxes are sized
    /// for it.
    package var bytesInFlightMax = 64 << 20
    package var gatewayBytesInFlightMax = 32 << 20
    package var batchBytesMax = 2 << 20
    package var batchRecordsMax = 2_000
    package var retryMin = Duration.milliseconds(20)
    package var retryMax = Duration.seconds(5)
    /// Pause between wake-ups while rows flow, so that batches are worth their cost.
    package var linger = Duration.milliseconds(5)
    /// How long a shutdown waits for the outbox to empty (protocol §10).
    package var flushMax = Duration.seconds(20)

    package init() {}
}
