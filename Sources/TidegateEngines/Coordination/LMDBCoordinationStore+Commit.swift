internal import Logging
internal import Metrics
internal import Synchronization
package import TidegateCore

extension LMDBCoordinationStore {
    private static var groupMax: Int { 128 }

    package func commit(_ transaction: CoordinationTransaction) async throws(TidegateError) -> TransactionOutcome {
        try transaction.validate()
        let result: Result<TransactionOutcome, TidegateError> = await withCheckedContinuation { continuation in
            let isFirst = state.withLock { state in
                state.waiting.append(Waiting(transaction: transaction, answer: continuation))
                return state.waiting.count == 1
            }
            guard isFirst else { return }  // the job that is queued already takes this one along
            do throws(TidegateError) { try thread.submit { self.commitWaiting() } } catch {
                let refused = state.withLock { state in
                    defer { state.waiting = [] }
                    return state.waiting
                }
                for one in refused { one.answer.resume(returning: .failure(error)) }
            }
        }
        return try result.get()
    }

    private func commitWaiting() {
        let (all, leases) = state.withLock { state in
            defer { state.waiting = [] }
            return (state.waiting, state.leases)
        }
        var rest = all[...]
        while !rest.isEmpty {
            commit(rest.prefix(Self.groupMax), leases)
            rest = rest.dropFirst(Self.groupMax)
        }
    }

    private func commit(_ group: ArraySlice<Waiting>, _ leases: Set<LeaseID>) {
        do throws(LMDBFailure) {
            let verdicts = try Self.growing(environment) { transaction throws(LMDBFailure) in
                var ledger = try LMDBLedger(transaction)
                var verdicts: [LMDBLedger.Verdict] = []
                for one in group { verdicts.append(try ledger.judge(one.transaction, isAlive: leases.contains)) }
                return verdicts
            }
            transactions.increment(by: group.count)
            commits.increment()
            hub.publish(verdicts.compactMap(\.batch))
            for (one, verdict) in zip(group, verdicts) { one.answer.resume(returning: verdict.answer) }
        } catch {
            logger.error("A coordination commit failed", metadata: ["error": "\(error)"])
            // LMDB may fail after the pages are on disk: only a later read can tell what became of it.
            var failure = error.error
            if error.call == "mdb_txn_commit" { failure.code = .unknownOutcome }
            for one in group { one.answer.resume(returning: .failure(failure)) }
        }
    }
}
