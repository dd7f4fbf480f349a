package import TidegateCore

/// What a coordination store is, as plainly as it can be written: a dictionary and a revision.
package struct CoordinationModel: Sendable {
    package private(set) var revision: Revision = 0
    private var entries: [String: KeyValue] = [:]
    private var leases: [String: LeaseID] = [:]

    package init() {}

    package func entry(_ key: String) -> KeyValue? { entries[key] }

    package func range(prefix: String, after: String?, limit: Int) -> KeyRange {
        let found = sortedKeys.filter { key in
            key.utf8.starts(with: prefix.utf8) && (after.map { $0.utf8.lexicographicallyPrecedes(key.utf8) } ?? true)
        }
        let limit = max(limit, 0)
        return KeyRange(
            entries: found.prefix(limit).compactMap { entries[$0] }, hasMore: found.count > limit, revision: revision)
    }

    package mutating func commit(
        _ transaction: CoordinationTransaction, isAlive: (LeaseID) -> Bool
    ) throws(TidegateError) -> (TransactionOutcome, WatchBatch?) {
        let succeeded = transaction.compare.allSatisfy { $0.holds(for: entries[$0.key]) }
        var batch: WatchBatch?
        if succeeded {
            for lease in transaction.then.compactMap(\.lease) where !isAlive(lease) {
                throw TidegateError(.notFound, "The lease has ended.")
            }
            batch = apply(transaction.then)
        }
        let reads = transaction.read.map { entries[$0] }
        return (TransactionOutcome(succeeded: succeeded, revision: revision, reads: reads), batch)
    }

    package mutating func removeKeys(of lease: LeaseID) -> WatchBatch? {
        apply(sortedKeys.filter { leases[$0] == lease }.map { .delete(key: $0) })
    }

    package mutating func removeLeasedKeys() -> WatchBatch? {
        apply(sortedKeys.filter { leases[$0] != nil }.map { .delete(key: $0) })
    }

    private var sortedKeys: [String] { entries.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) } }

    private mutating func apply(_ operations: [CoordinationTransaction.Operation]) -> WatchBatch? {
        let next = revision + 1
        var changes: [WatchBatch.Change] = []
        for operation in operations {
            switch operation {
            case .put(let key, let value, let lease):
                let entry = KeyValue(
                    key: key, value: value, createRevision: entries[key]?.createRevision ?? next, modRevision: next)
                entries[key] = entry
                leases[key] = lease
                changes.append(.put(entry))
            case .delete(let key):
                guard entries.removeValue(forKey: key) != nil else { continue }
                leases[key] = nil
                changes.append(.delete(key: key, revision: next))
            }
        }
        guard !changes.isEmpty else { return nil }
        revision = next
        return WatchBatch(changes: changes, revision: next)
    }
}
