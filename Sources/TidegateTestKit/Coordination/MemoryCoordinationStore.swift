internal import Synchronization
package import TidegateCore

/// A coordination store in memory: the model that the real engines are compared with. Leases run down only by `tick`.
package final class MemoryCoordinationStore: CoordinationStore {
    /// What the next commits do instead of succeeding.
    package enum Fault: Sendable {
        /// `.unavailable`; nothing happens.
        case refuse
        /// `.unknownOutcome`, and it happened or not.
        case unknownOutcome(applied: Bool)
    }

    private struct Lease {
        var seconds: Int
        var remaining: Int
    }

    private struct State {
        var model = CoordinationModel()
        var leases: [LeaseID: Lease] = [:]
        var nextLease: Int64 = 1
        var faults: [Fault] = []
        var isDown = false
    }

    private let state = Mutex(State())
    private let hub = WatchHub(history: ChangeHistory(revision: 0))

    package init() {}

    package var revision: Revision { state.withLock { $0.model.revision } }

    /// Queues a fault for one commit.
    package func failNextCommit(_ fault: Fault) { state.withLock { $0.faults.append(fault) } }
    /// While down, every call throws `.unavailable`.
    package func setDown(_ isDown: Bool) { state.withLock { $0.isDown = isDown } }
    /// Forgets changes up to and including `revision`: watches that need them end with `WatchCompacted`.
    package func compact(through revision: Revision) { hub.compact(through: revision) }

    /// Lets time pass for leases; keys of those that end vanish, one revision a lease.
    package func tick(seconds: Int) {
        state.withLock { state in
            for id in state.leases.keys { state.leases[id]?.remaining -= seconds }
            let ended = state.leases.filter { $0.value.remaining <= 0 }.keys.sorted { $0.rawValue < $1.rawValue }
            for id in ended { end(id, &state) }
        }
    }

    package func get(_ key: String) async throws(TidegateError) -> KeyValue? {
        try CoordinationTransaction.validate(key: key)
        return try read { state throws(TidegateError) in state.model.entry(key) }
    }

    package func range(prefix: String, after: String?, limit: Int) async throws(TidegateError) -> KeyRange {
        try read { state throws(TidegateError) in state.model.range(prefix: prefix, after: after, limit: limit) }
    }

    package func commit(_ transaction: CoordinationTransaction) async throws(TidegateError) -> TransactionOutcome {
        try transaction.validate()
        return try read { state throws(TidegateError) in
            let fault = state.faults.isEmpty ? nil : state.faults.removeFirst()
            switch fault {
            case .refuse: throw TidegateError(.unavailable, "The test refuses this commit.")
            case .unknownOutcome(applied: false): throw Self.unknown
            case .unknownOutcome(applied: true):
                _ = try carryOut(transaction, &state)
                throw Self.unknown
            case nil: return try carryOut(transaction, &state)
            }
        }
    }

    package func grantLease(seconds: Int) async throws(TidegateError) -> LeaseID {
        guard seconds > 0 else { throw TidegateError(.invalidRequest, "A lease lasts one second or longer.") }
        return try read { state throws(TidegateError) in
            let id = LeaseID(rawValue: state.nextLease)
            state.nextLease += 1
            state.leases[id] = Lease(seconds: seconds, remaining: seconds)
            return id
        }
    }

    package func keepAlive(_ lease: LeaseID) async throws(TidegateError) {
        try read { state throws(TidegateError) in
            guard let held = state.leases[lease] else { throw Self.ended }
            state.leases[lease]?.remaining = held.seconds
        }
    }

    package func revoke(_ lease: LeaseID) async throws(TidegateError) {
        try read { state throws(TidegateError) in
            guard state.leases[lease] != nil else { throw Self.ended }
            end(lease, &state)
        }
    }

    package func watch(prefix: String, from: Revision) -> AsyncThrowingStream<WatchBatch, any Error> {
        hub.watch(prefix: prefix, from: from)
    }

    private func read<Value: Sendable>(
        _ body: (inout State) throws(TidegateError) -> Value
    ) throws(TidegateError) -> Value {
        let result: Result<Value, TidegateError> = state.withLock { state in
            guard !state.isDown else { return .failure(TidegateError(.unavailable, "The test took the store down.")) }
            do throws(TidegateError) { return .success(try body(&state)) } catch { return .failure(error) }
        }
        return try result.get()
    }

    /// Published under the lock, so that batches reach the hub in revision order.
    private func carryOut(
        _ transaction: CoordinationTransaction, _ state: inout State
    ) throws(TidegateError) -> TransactionOutcome {
        let leases = state.leases
        let (outcome, batch) = try state.model.commit(transaction) { leases[$0] != nil }
        if let batch { hub.publish([batch]) }
        return outcome
    }

    private func end(_ lease: LeaseID, _ state: inout State) {
        state.leases[lease] = nil
        if let batch = state.model.removeKeys(of: lease) { hub.publish([batch]) }
    }

    private static var unknown: TidegateError {
        TidegateError(.unknownOutcome, "The test hides what became of this commit.")
    }
    private static var ended: TidegateError { TidegateError(.notFound, "The lease has ended.") }
}
