internal import CLMDB
package import TidegateCore

/// The coordination store of a node as another process may look at it, also while the node runs: LMDB lets readers in
/// beside its one writer. Everything that would change it is refused.
package final class LMDBCoordinationView: CoordinationStore {
    private let environment: LMDBEnvironment
    private let thread: WorkerThreads

    /// - Throws: `.notFound` when there is no store.
    package init(directory: String) throws(TidegateError) {
        do throws(LMDBFailure) {
            environment = try LMDBEnvironment(reading: directory)
        } catch {
            throw TidegateError(
                .notFound, "There is no coordination store in \(directory): check --state.", cause: error.error)
        }
        thread = try WorkerThreads(name: "tg-view", count: 1, jobsMax: 64)
    }

    package func close() {
        thread.close()
        environment.close()
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

    /// Only reads.
    package func commit(_ transaction: CoordinationTransaction) async throws(TidegateError) -> TransactionOutcome {
        guard transaction.compare.isEmpty, transaction.then.isEmpty else { throw Self.readOnly }
        return try await environment.reading(on: thread) { ledger throws(LMDBFailure) in
            var reads: [KeyValue?] = []
            for key in transaction.read { reads.append(try ledger.entry(key)) }
            return TransactionOutcome(succeeded: true, revision: ledger.revision, reads: reads)
        }
    }

    package func grantLease(seconds: Int) async throws(TidegateError) -> LeaseID { throw Self.readOnly }
    package func keepAlive(_ lease: LeaseID) async throws(TidegateError) { throw Self.readOnly }
    package func revoke(_ lease: LeaseID) async throws(TidegateError) { throw Self.readOnly }
    package func watch(prefix: String, from: Revision) -> AsyncThrowingStream<WatchBatch, any Error> {
        AsyncThrowingStream { $0.finish(throwing: Self.readOnly) }
    }

    private static var readOnly: TidegateError { TidegateError(.forbidden, "This view of the store only reads.") }
}
