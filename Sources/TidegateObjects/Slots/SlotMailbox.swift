internal import Synchronization
internal import TidegateCore

/// What a slot's one task works through, in order.
enum SlotInput: Sendable {
    case batch(DeliveryBatch, reply: @Sendable ([RecordVerdict]) -> Void)
    case append(GatewayUID, GatewayEntry, reply: @Sendable (Result<LogPosition, TidegateError>) -> Void)
    case core(SlotCore.Event)
    case applied(LogIndex, live: [(gateway: GatewayUID, rows: Int64)])
    case opened(GatewayUID, Result<OpenedGateway?, TidegateError>)
    case allowance(GatewayUID, Result<AllowanceAnswer, TidegateError>)
    /// Evict up to this row; `nil` when there is none.
    case evict(GatewayUID, through: UInt64?)
    /// Opens the gateway's database if it is not open.
    case open(GatewayUID, reply: @Sendable (TidegateError?) -> Void)
    /// The gateway's document changed: its caps may have.
    case refresh(GatewayUID)
    case giveBack(account: String, done: @Sendable () -> Void)
    case gaveBack(GatewayUID)
    case snapshot(SnapshotCore.Event)
    case pinned(LogIndex, Result<[GatewayUID: any PinnedContent], TidegateError>)
    case stored(SnapshotPointer, SnapshotManifest)
    case collector(CollectorCore.Event)
    case upkeepTick
    case sealing(SealingEvent)
    /// Time to look for rows past their age.
    case retentionTick
    /// - hint: node that should have the slot next.
    case drain(hint: String?)
    /// The slot is given up, or cannot be: in either case this owner is done.
    case released
    case stop
}

/// The ordered, bounded way into a slot, from any thread. Batches count against the bound until they are answered; what
/// the slot tells itself always fits.
final class SlotMailbox: Sendable {
    fileprivate struct State {
        var inputs: [SlotInput] = []
        var batchBytes = 0
        var waiter: CheckedContinuation<Void, Never>?
        var isClosed = false
    }

    private let state = Mutex(State())
    private let bytesMax: Int
    private let overloaded: Duration

    init(bytesMax: Int, overloaded: Duration) {
        self.bytesMax = bytesMax
        self.overloaded = overloaded
    }

    func submit(_ batch: DeliveryBatch, reply: @escaping @Sendable ([RecordVerdict]) -> Void) {
        let (bytes, count) = (batch.bytes, batch.records.count)
        guard !state.withLock({ $0.isClosed }) else { return Self.refuse(.batch(batch, reply: reply)) }
        let waiter: CheckedContinuation<Void, Never>?? = state.withLock { state in
            guard !state.isClosed, state.batchBytes == 0 || state.batchBytes + bytes <= bytesMax else { return .none }
            state.batchBytes += bytes
            state.inputs.append(
                .batch(batch) { [weak self] verdicts in
                    self?.release(bytes)
                    reply(verdicts)
                })
            return .some(state.takeWaiter())
        }
        guard let waiter else {
            return reply(Array(repeating: .later(after: overloaded, reason: .overloaded), count: count))
        }
        waiter?.resume()
    }

    func post(_ input: SlotInput) {
        let (isTaken, waiter) = state.withLock { state in
            guard !state.isClosed else { return (false, CheckedContinuation<Void, Never>?.none) }
            state.inputs.append(input)
            return (true, state.takeWaiter())
        }
        waiter?.resume()
        if !isTaken { Self.refuse(input) }
    }

    /// Answers what nobody will work through any more, now and from now on.
    func close() {
        let rest = state.withLock { state in
            defer { state.inputs = [] }
            state.isClosed = true
            return state.inputs
        }
        for input in rest { Self.refuse(input) }
    }

    private static func refuse(_ input: SlotInput) {
        let error = TidegateError(.notOwner, "The slot is not served here any more.")
        switch input {
        case .batch(let batch, let reply): reply(Array(repeating: .moved, count: batch.records.count))
        case .append(_, _, let reply): reply(.failure(error))
        case .open(_, let reply): reply(error)
        case .giveBack(_, let done): done()
        case .pinned(_, .success(let pins)): for pin in pins.values { Task { await pin.letGo() } }
        case .core, .applied, .opened, .allowance, .evict, .refresh, .gaveBack, .drain, .stop, .snapshot, .pinned,
            .stored, .collector, .upkeepTick, .sealing, .retentionTick, .released:
            break
        }
    }

    /// Everything that came since the last call, at least one input. One caller at a time.
    func next() async -> [SlotInput] {
        while true {
            let inputs = state.withLock { state in
                defer { state.inputs = [] }
                return state.inputs
            }
            guard inputs.isEmpty else { return inputs }
            // Never left hanging: whoever ends the slot posts `stop`, which resumes it.
            await withCheckedContinuation { continuation in
                let isReady = state.withLock { state in
                    guard state.inputs.isEmpty else { return true }
                    state.waiter = continuation
                    return false
                }
                if isReady { continuation.resume() }
            }
        }
    }

    private func release(_ bytes: Int) { state.withLock { $0.batchBytes -= bytes } }
}

extension SlotMailbox.State {
    fileprivate mutating func takeWaiter() -> CheckedContinuation<Void, Never>? {
        defer { waiter = nil }
        return waiter
    }
}
