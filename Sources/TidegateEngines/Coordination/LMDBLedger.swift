internal import CLMDB
internal import TidegateCore

/// The rules of the store over LMDB's tables: revisions, comparisons, leases. Used on the store's thread only.
struct LMDBLedger {
    /// One transaction's answer inside a group that is not committed yet.
    struct Verdict {
        var answer: Result<TransactionOutcome, TidegateError>
        var batch: WatchBatch?
    }

    private static let revisionKey = "revision"
    private static let openedKey = "opened"

    let transaction: LMDBTransaction
    private(set) var revision: Revision

    init(_ transaction: LMDBTransaction) throws(LMDBFailure) {
        self.transaction = transaction
        revision = Self.number(try transaction.get(transaction.tables.meta, Self.revisionKey))
    }

    /// Counts the openings of the file, so that a lease of an earlier one is never taken for a new one.
    mutating func countOpening() throws(LMDBFailure) -> Int64 {
        let opened = Self.number(try transaction.get(transaction.tables.meta, Self.openedKey)) + 1
        try transaction.put(transaction.tables.meta, Self.openedKey, Self.bytes(opened))
        return opened
    }

    func entry(_ key: String) throws(LMDBFailure) -> KeyValue? {
        try transaction.get(transaction.tables.entries, key).flatMap { bytes in
            bytes.withUnsafeBytes { Self.entry(key, $0) }
        }
    }

    func range(prefix: String, after: String?, limit: Int) throws(LMDBFailure) -> KeyRange {
        var range = KeyRange(entries: [], hasMore: false, revision: revision)
        let start = after.map { prefix.utf8.lexicographicallyPrecedes($0.utf8) ? $0 : prefix } ?? prefix
        try transaction.scan(transaction.tables.entries, from: start) { key, bytes in
            guard key.utf8.starts(with: prefix.utf8) else { return false }
            if let after, !after.utf8.lexicographicallyPrecedes(key.utf8) { return true }
            guard range.entries.count < limit else {
                range.hasMore = true
                return false
            }
            if let entry = Self.entry(key, bytes) { range.entries.append(entry) }
            return true
        }
        return range
    }

    mutating func judge(
        _ request: CoordinationTransaction, isAlive: (LeaseID) -> Bool
    ) throws(LMDBFailure) -> Verdict {
        var succeeded = true
        for comparison in request.compare where succeeded {
            succeeded = comparison.holds(for: try entry(comparison.key))
        }
        var batch: WatchBatch?
        if succeeded {
            guard request.then.compactMap(\.lease).allSatisfy(isAlive) else {
                return Verdict(answer: .failure(TidegateError(.notFound, "The lease has ended.")))
            }
            batch = try apply(request.then)
        }
        var reads: [KeyValue?] = []
        for key in request.read { reads.append(try entry(key)) }
        return Verdict(
            answer: .success(TransactionOutcome(succeeded: succeeded, revision: revision, reads: reads)), batch: batch)
    }

    /// - Parameter lease: `nil` takes the keys of every lease.
    mutating func removeKeys(of lease: LeaseID?) throws(LMDBFailure) -> WatchBatch? {
        var keys: [String] = []
        try transaction.scan(transaction.tables.leased, from: "") { key, bytes in
            if lease.map({ $0.rawValue == Self.number([UInt8](bytes)) }) ?? true { keys.append(key) }
            return true
        }
        return try apply(keys.map { .delete(key: $0) })
    }

    private mutating func apply(_ operations: [CoordinationTransaction.Operation]) throws(LMDBFailure) -> WatchBatch? {
        let next = revision + 1
        var changes: [WatchBatch.Change] = []
        for operation in operations {
            switch operation {
            case .put(let key, let value, let lease):
                let created = try entry(key)?.createRevision ?? next
                try transaction.put(
                    transaction.tables.entries, key, Self.bytes(created) + Self.bytes(next) + value)
                if let lease {
                    try transaction.put(transaction.tables.leased, key, Self.bytes(lease.rawValue))
                } else {
                    try transaction.delete(transaction.tables.leased, key)
                }
                changes.append(.put(KeyValue(key: key, value: value, createRevision: created, modRevision: next)))
            case .delete(let key):
                guard try transaction.delete(transaction.tables.entries, key) else { continue }
                try transaction.delete(transaction.tables.leased, key)
                changes.append(.delete(key: key, revision: next))
            }
        }
        guard !changes.isEmpty else { return nil }
        revision = next
        try transaction.put(transaction.tables.meta, Self.revisionKey, Self.bytes(next))
        return WatchBatch(changes: changes, revision: next)
    }

    private static func entry(_ key: String, _ bytes: UnsafeRawBufferPointer) -> KeyValue? {
        guard bytes.count >= 16 else { return nil }
        return KeyValue(
            key: key, value: [UInt8](bytes.dropFirst(16)),
            createRevision: Int64(littleEndian: bytes.loadUnaligned(as: Int64.self)),
            modRevision: Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: Int64.self)))
    }

    private static func bytes(_ number: Int64) -> [UInt8] { withUnsafeBytes(of: number.littleEndian) { Array($0) } }

    private static func number(_ bytes: [UInt8]?) -> Int64 {
        guard let bytes, bytes.count == 8 else { return 0 }
        return bytes.withUnsafeBytes { Int64(littleEndian: $0.loadUnaligned(as: Int64.self)) }
    }
}
