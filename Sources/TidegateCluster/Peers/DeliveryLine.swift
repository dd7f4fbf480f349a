internal import Synchronization
internal import TidegateCore
internal import TidegateWire

/// One delivery call at the receiver: counts its credit, gathers verdicts from any thread until they are written.
///
/// Verdicts that wait are bounded by the credit: more parcels come only as earlier ones are decided and told.
final class DeliveryLine: Sendable {
    private struct State {
        var credit: PeerCreditCore
        var decided: [(ticket: UInt64, verdicts: [RecordVerdict])] = []
        var grant = 0
        /// Parcels that are not decided.
        var open = 0
        var isReading = true
    }

    /// One for each time that there is something to write; ends when nothing will be.
    let news: AsyncStream<Void>
    private let bell: AsyncStream<Void>.Continuation
    private let state: Mutex<State>
    private let room: GrowthRoom
    private let clock = ContinuousClock()

    init(settings: PeerCreditSettings, room: GrowthRoom) {
        (news, bell) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        state = Mutex(State(credit: PeerCreditCore(settings: settings)))
        self.room = room
    }

    deinit { room.giveBack(state.withLock { $0.credit.growth }) }

    func begin() { step(.began) }

    /// - Returns: what to do with the verdicts; `nil` when the call takes no more.
    func take(_ parcel: PeerParcel) throws(TidegateError) -> (@Sendable ([RecordVerdict]) -> Void)? {
        let cost = parcel.cost
        let (isReading, effects) = state.withLock { state in
            guard state.isReading else { return (false, [PeerCreditCore.Effect]()) }
            state.open += 1
            return (true, state.credit.handle(.took(cost: cost)))
        }
        guard isReading else { return nil }
        if effects.contains(.refuse) { throw TidegateError(.overloaded, "the peer sends more than it was allowed to") }
        let (ticket, since) = (parcel.ticket, clock.now)
        return { [self] verdicts in
            let isOverloaded = verdicts.contains {
                if case .later(_, .overloaded) = $0 { true } else { false }
            }
            state.withLock { state in
                state.decided.append((ticket, verdicts))
                state.open -= 1
            }
            step(.decided(cost: cost, after: since.duration(to: clock.now), isOverloaded: isOverloaded))
        }
    }

    private func step(_ event: PeerCreditCore.Event) {
        let isOver = state.withLock { state in
            var effects = state.credit.handle(event)[...]
            while let effect = effects.popFirst() {
                switch effect {
                case .grant(let bytes): state.grant += bytes
                case .askToGrow(let bytes): if room.take(bytes) { effects += state.credit.grow(by: bytes) }
                case .giveBack(let bytes): room.giveBack(bytes)
                case .refuse: break
                }
            }
            return !state.isReading && state.open == 0
        }
        bell.yield()
        if isOver { bell.finish() }
    }

    /// No more parcels are taken; ends when those that were are decided.
    func stop() {
        let isOver = state.withLock { state in
            state.isReading = false
            return state.open == 0
        }
        if isOver { bell.finish() }
    }

    /// Waits for nothing more.
    func abandon() {
        state.withLock { $0.isReading = false }
        bell.finish()
    }

    /// What is to be written now; `nil` when there is nothing.
    func take() -> Tidegate_Peer_DeliverAnswer? {
        let (decided, grant) = state.withLock { state in
            defer { (state.decided, state.grant) = ([], 0) }
            return (state.decided, state.grant)
        }
        guard !decided.isEmpty || grant > 0 else { return nil }
        var answer = Tidegate_Peer_DeliverAnswer()
        answer.verdicts = decided.map { Tidegate_Peer_Verdicts(ticket: $0.ticket, $0.verdicts) }
        answer.credit = UInt64(grant)
        return answer
    }
}

/// What all delivery calls of a node together may have beyond their smallest windows.
final class GrowthRoom: Sendable {
    private let left: Mutex<Int>
    init(bytes: Int) { left = Mutex(bytes) }

    func take(_ bytes: Int) -> Bool {
        left.withLock { left in
            guard bytes <= left else { return false }
            left -= bytes
            return true
        }
    }
    func giveBack(_ bytes: Int) { left.withLock { $0 += bytes } }
}
