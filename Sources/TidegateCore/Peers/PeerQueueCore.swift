/// Decides when parcels for one peer are sent, and what their senders are told when the peer does not decide (A24, A25): the
/// sender's side of delivery calls.
///
/// Parcels go out in the order in which they came. Each is answered exactly once: with the peer's verdicts, or with `later`
/// when there is no room for it, the call breaks, or its time is up. What the peer says of it after that is not heard.
package struct PeerQueueCore: Sendable {
    package enum Event: Sendable {
        /// Gets the ticket that `nextTicket` names before.
        case submitted(DeliveryBatch, relay: PeerAddress?)
        /// The call stands.
        case opened
        case granted(Int)
        case decided(ticket: UInt64, [RecordVerdict])
        /// The call is over, or could not be made.
        /// - Parameter jitter: 0 to 1: stretches the pause, so that nodes do not come back in step.
        case broken(jitter: Double)
        case tick
        /// No more parcels: the node stops, or the peer is forgotten.
        case closed
    }
    package indirect enum Effect: Sendable {
        case open
        case send([PeerParcel])
        case answer(ticket: UInt64, [RecordVerdict], failure: PeerFailure?)
        /// End the call; `broken` is expected next.
        case hangUp(PeerFailure?)
    }

    private enum State: Sendable {
        case idle, opening, open, hangingUp, leaving, closed
        case resting(until: Duration)
    }
    private struct Waiting: Sendable {
        var parcel: PeerParcel
        var since: Duration
    }
    private struct Sent: Sendable {
        var records: Int
        var cost: Int
        var since: Duration
    }

    private let settings: PeerQueueSettings
    private var state = State.idle
    private var waiting: [Waiting] = []
    private var sent: [UInt64: Sent] = [:]
    package private(set) var nextTicket: UInt64 = 1
    /// What parcels that are not answered cost.
    private var bytes = 0
    private var credit = 0
    private var failures = 0
    /// When the peer was last heard, or the call was begun.
    private var heard = Duration.zero
    /// When there last was a parcel.
    private var used = Duration.zero

    package init(settings: PeerQueueSettings) { self.settings = settings }

    /// No call stands or is wanted: no ticks are needed either.
    package var isIdle: Bool {
        switch state {
        case .idle, .resting, .closed: true
        case .opening, .open, .hangingUp, .leaving: false
        }
    }

    /// How many records a parcel has that the peer is to decide on.
    package func records(of ticket: UInt64) -> Int? { sent[ticket]?.records }

    package mutating func handle(_ event: Event, at now: Duration) -> [Effect] {
        switch event {
        case .submitted(let batch, let relay): return submit(batch, relay, at: now)
        case .opened:
            guard case .opening = state else { return [] }
            (state, credit, heard) = (.open, 0, now)
        case .granted(let bytes):
            heard = now
            credit += bytes
            return send()
        case .decided(let ticket, let verdicts): return decide(ticket, verdicts, at: now)
        case .broken(let jitter): return end(jitter: jitter, at: now)
        case .tick: return tick(at: now)
        case .closed:
            state = .closed
            return answerAll(.stopped, after: settings.pauseMin)
        }
        return []
    }

    private mutating func submit(_ batch: DeliveryBatch, _ relay: PeerAddress?, at now: Duration) -> [Effect] {
        let parcel = PeerParcel(ticket: nextTicket, batch: batch, relay: relay)
        nextTicket += 1
        func refuse(_ failure: PeerFailure, after pause: Duration) -> [Effect] {
            [.later(parcel.ticket, records: batch.records.count, after: pause, failure)]
        }
        if parcel.cost > settings.parcelCostMax { return refuse(.oversized, after: settings.pauseMax) }
        if bytes + parcel.cost > settings.bytesMax || waiting.count >= settings.parcelsMax {
            return refuse(.full, after: settings.pauseMin)
        }
        switch state {
        case .closed: return refuse(.stopped, after: settings.pauseMin)
        case .resting(let until) where now < until: return refuse(.unreachable, after: until - now)
        default: break
        }
        used = now
        bytes += parcel.cost
        waiting.append(Waiting(parcel: parcel, since: now))
        switch state {
        case .idle, .resting:
            (state, heard) = (.opening, now)
            return [.open]
        case .open: return send()
        case .opening, .hangingUp, .leaving, .closed: return []
        }
    }

    /// A parcel goes as long as any credit is left: with less than its cost it would wait for ever if it is larger than the
    /// peer's window.
    private mutating func send() -> [Effect] {
        guard case .open = state else { return [] }
        var parcels: [PeerParcel] = []
        for next in waiting {
            guard credit > 0 else { break }
            credit -= next.parcel.cost
            sent[next.parcel.ticket] = Sent(
                records: next.parcel.batch.records.count, cost: next.parcel.cost, since: next.since)
            parcels.append(next.parcel)
        }
        waiting.removeFirst(parcels.count)
        return parcels.isEmpty ? [] : [.send(parcels)]
    }

    private mutating func decide(_ ticket: UInt64, _ verdicts: [RecordVerdict], at now: Duration) -> [Effect] {
        heard = now
        guard ticket < nextTicket else { return hangUp(.confused) }
        guard let parcel = sent[ticket] else { return [] }  // answered already, when its time was up
        guard parcel.records == verdicts.count else { return hangUp(.confused) }
        failures = 0
        sent[ticket] = nil
        bytes -= parcel.cost
        used = now
        return [.answer(ticket: ticket, verdicts, failure: nil)]
    }

    private mutating func tick(at now: Duration) -> [Effect] {
        if isIdle { return [] }
        let isSilent = now - heard >= settings.answerWithin && (!sent.isEmpty || !waiting.isEmpty)
        var effects: [Effect] = []
        func isLate(_ since: Duration) -> Bool { now - since >= settings.answerWithin }
        for (ticket, parcel) in sent where isLate(parcel.since) {
            sent[ticket] = nil
            bytes -= parcel.cost
            effects.append(.later(ticket, records: parcel.records, after: settings.pauseLate, .late))
        }
        let late = waiting.prefix { isLate($0.since) }
        waiting.removeFirst(late.count)
        for parcel in late.map(\.parcel) {
            bytes -= parcel.cost
            effects.append(
                .later(parcel.ticket, records: parcel.batch.records.count, after: settings.pauseLate, .late))
        }
        if isSilent { return effects + hangUp(.silent) }
        if sent.isEmpty, waiting.isEmpty, now - used >= settings.idleMax, case .open = state {
            state = .leaving
            effects.append(.hangUp(nil))
        }
        return effects
    }

    private mutating func hangUp(_ failure: PeerFailure) -> [Effect] {
        switch state {
        case .opening, .open, .leaving:
            state = .hangingUp
            return [.hangUp(failure)]
        case .idle, .hangingUp, .resting, .closed: return []
        }
    }

    private mutating func end(jitter: Double, at now: Duration) -> [Effect] {
        switch state {
        case .closed: return []
        case .leaving where waiting.isEmpty:
            state = .idle
            return []
        case .leaving:
            (state, heard) = (.opening, now)
            return [.open]
        case .idle, .opening, .open, .hangingUp, .resting:
            failures += 1
            let pause = min(settings.pauseMin * (1 << min(failures - 1, 16)), settings.pauseMax) * (1 + jitter)
            state = .resting(until: now + pause)
            return answerAll(.broken, after: pause)
        }
    }

    private mutating func answerAll(_ failure: PeerFailure, after pause: Duration) -> [Effect] {
        let records =
            sent.map { ($0.key, $0.value.records) }.sorted { $0.0 < $1.0 }
            + waiting.map { ($0.parcel.ticket, $0.parcel.batch.records.count) }
        (sent, waiting, bytes, credit) = ([:], [], 0, 0)
        return records.map { .later($0.0, records: $0.1, after: pause, failure) }
    }
}

extension PeerQueueCore.Effect {
    fileprivate static func later(
        _ ticket: UInt64, records: Int, after pause: Duration, _ failure: PeerFailure
    ) -> Self {
        .answer(
            ticket: ticket, Array(repeating: .later(after: pause, reason: failure.reason), count: records),
            failure: failure)
    }
}

/// Why a peer did not do what it was asked.
package enum PeerFailure: String, CaseIterable, Sendable {
    case full, oversized, unreachable, broken, late, silent, confused, stopped

    /// Whether another way to the peer may help.
    fileprivate var reason: LaterReason {
        switch self {
        case .unreachable, .broken, .late, .silent: .unreachable
        case .full, .oversized, .confused, .stopped: .unavailable
        }
    }
}

package struct PeerQueueSettings: Sendable {
    /// How long a parcel waits for its verdicts, from when it was handed over.
    package var answerWithin = Duration.seconds(10)
    package var bytesMax = 64 << 20
    package var parcelsMax = 8_192
    /// Below what a message may have.
    package var parcelCostMax = 7 << 20
    /// Pauses after a call that broke or could not be made: doubled each time from the first to the second.
    package var pauseMin = Duration.milliseconds(100)
    package var pauseMax = Duration.seconds(2)
    package var pauseLate = Duration.seconds(1)
    /// A call without parcels ends.
    package var idleMax = Duration.seconds(60)

    package init() {}
}
