internal import CLMDB
package import Logging
internal import Metrics
internal import Synchronization
package import TidegateCore

/// The coordination store of a node that is alone: an LMDB file, every commit synced.
///
/// All work happens on one thread of its own. Transactions that wait while one commits share the next write: each is
/// judged on the state its predecessors left and has its own revision. Leases live as long as this object; keys left
/// under leases by an earlier process are removed on opening.
package final class LMDBCoordinationStore: CoordinationStore {
    struct Waiting: Sendable {
        var transaction: CoordinationTransaction
        var answer: CheckedContinuation<Result<TransactionOutcome, TidegateError>, Never>
    }

    struct State: Sendable {
        var waiting: [Waiting] = []
        var leases: Set<LeaseID> = []
        var nextLease: Int64
    }

    let environment: LMDBEnvironment
    let thread: WorkerThreads
    let hub: WatchHub
    let state: Mutex<State>
    let logger: Logger
    let transactions = Counter(label: "tidegate_coordination_transactions_total")
    let commits = Counter(label: "tidegate_coordination_commits_total")
    private let lock: Mutex<DirectoryLock?>

    /// - Parameters:
    ///   - directory: created when absent; one process at a time.
    ///   - mapBytes: address space to start with; it doubles when the data outgrows it, the file is sparse.
    ///   - keptRevisions: how far back a watch can start.
    /// - Throws: `.conflict` when another process uses the directory, `.unavailable` when the disk refuses.
    package init(
        directory: String, mapBytes: Int = 1 << 30, keptRevisions: Int = 16_384, logger: Logger
    ) throws(TidegateError) {
        lock = Mutex(try DirectoryLock.take(directory))
        let environment: LMDBEnvironment
        let revision: Revision
        let opened: Int64
        do throws(LMDBFailure) {
            environment = try LMDBEnvironment(directory: directory, mapBytes: mapBytes)
            (revision, opened) = try Self.growing(environment) { transaction throws(LMDBFailure) in
                var ledger = try LMDBLedger(transaction)
                _ = try ledger.removeKeys(of: nil)
                return (ledger.revision, try ledger.countOpening())
            }
        } catch { throw error.error }
        self.environment = environment
        state = Mutex(State(nextLease: opened << 32))
        self.logger = logger
        hub = WatchHub(history: ChangeHistory(revision: revision, revisionsMax: keptRevisions))
        thread = try WorkerThreads(name: "tg-coordination", count: 1, jobsMax: 65_536)
    }

    /// Finishes what waits, ends watches with `.unavailable` and lets go of the directory.
    package func close() {
        thread.close()
        let held = lock.withLock { lock in
            let held = lock != nil
            if held { environment.close() }
            lock = nil
            return held
        }
        if held { hub.close(TidegateError(.unavailable, "The coordination store is closed.")) }
    }

    package func get(_ key: String) async throws(TidegateError) -> KeyValue? {
        try CoordinationTransaction.validate(key: key)
        return try await environment.reading(on: thread) { ledger throws(LMDBFailure) in try ledger.entry(key) }
    }

    package func range(prefix: String, after: String?, limit: Int) async throws(TidegateError) -> KeyRange {
        try await environment.reading(on: thread) { ledger throws(LMDBFailure) in
            try ledger.range(prefix: prefix, after: after, limit: max(limit, 0))
        }
    }

    package func watch(prefix: String, from: Revision) -> AsyncThrowingStream<WatchBatch, any Error> {
        hub.watch(prefix: prefix, from: from)
    }

    package func grantLease(seconds: Int) async throws(TidegateError) -> LeaseID {
        guard seconds > 0 else { throw TidegateError(.invalidRequest, "A lease lasts one second or longer.") }
        return state.withLock { state in
            let lease = LeaseID(rawValue: state.nextLease)
            state.nextLease += 1
            state.leases.insert(lease)
            return lease
        }
    }

    package func keepAlive(_ lease: LeaseID) async throws(TidegateError) {
        guard state.withLock({ $0.leases.contains(lease) }) else { throw Self.ended }
    }

    package func revoke(_ lease: LeaseID) async throws(TidegateError) {
        guard state.withLock({ $0.leases.remove(lease) }) != nil else { throw Self.ended }
        let environment = environment
        let hub = hub
        try await thread.run { () throws(TidegateError) in
            do throws(LMDBFailure) {
                let batch = try Self.growing(environment) { transaction throws(LMDBFailure) in
                    var ledger = try LMDBLedger(transaction)
                    return try ledger.removeKeys(of: lease)
                }
                if let batch { hub.publish([batch]) }
            } catch { throw error.error }
        }
    }

    /// A write that starts again with a larger map when the data no longer fits.
    static func growing<Value>(
        _ environment: LMDBEnvironment, _ body: (LMDBTransaction) throws(LMDBFailure) -> Value
    ) throws(LMDBFailure) -> Value {
        while true {
            do throws(LMDBFailure) { return try environment.write(body) } catch {
                guard error.code == MDB_MAP_FULL else { throw error }
                try environment.grow()
            }
        }
    }

    private static var ended: TidegateError { TidegateError(.notFound, "The lease has ended.") }
}
