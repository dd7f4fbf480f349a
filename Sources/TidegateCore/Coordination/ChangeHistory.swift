/// The newest changes of a coordination store, one batch per revision, as many as fit the limits.
package struct ChangeHistory: Sendable {
    package enum Answer: Sendable {
        case batch(WatchBatch)
        /// Nothing yet: ask again from this revision when something was appended.
        case upToDate(from: Revision)
        case compacted(oldestKept: Revision)
    }

    package private(set) var revision: Revision
    private var batches: [WatchBatch] = []
    /// Position in `batches` of the oldest kept.
    private var start = 0
    private var bytes = 0
    private let revisionsMax: Int
    private let bytesMax: Int

    /// - Parameter revision: what the store stands at; nothing up to it is kept.
    package init(revision: Revision, revisionsMax: Int = 16_384, bytesMax: Int = 32 << 20) {
        self.revision = revision
        self.revisionsMax = revisionsMax
        self.bytesMax = bytesMax
    }

    package var oldestKept: Revision { start < batches.count ? batches[start].revision : revision + 1 }

    /// - Precondition: `batch.revision` follows the newest one without a gap.
    package mutating func append(_ batch: WatchBatch) {
        precondition(batch.revision == revision + 1, "Revisions have no gaps.")
        revision = batch.revision
        batches.append(batch)
        bytes += Self.cost(of: batch)
        while batches.count - start > revisionsMax || (bytes > bytesMax && batches.count - start > 1) { dropOldest() }
        if start > 1_024, start * 2 > batches.count {
            batches.removeFirst(start)
            start = 0
        }
    }

    /// Forgets everything up to and including `revision`.
    package mutating func compact(through revision: Revision) {
        while start < batches.count, batches[start].revision <= revision { dropOldest() }
    }

    /// The first batch at or behind `from` that touches `prefix`, with only those changes.
    package func next(prefix: String, from: Revision) -> Answer {
        let from = max(from, 1)
        guard from >= oldestKept else { return .compacted(oldestKept: oldestKept) }
        guard from <= revision else { return .upToDate(from: from) }
        for batch in batches[(start + Int(from - oldestKept))...] {
            let changes = batch.changes.filter { $0.key.utf8.starts(with: prefix.utf8) }
            if !changes.isEmpty { return .batch(WatchBatch(changes: changes, revision: batch.revision)) }
        }
        return .upToDate(from: revision + 1)
    }

    private mutating func dropOldest() {
        bytes -= Self.cost(of: batches[start])
        batches[start] = WatchBatch(changes: [], revision: batches[start].revision)
        start += 1
    }

    private static func cost(of batch: WatchBatch) -> Int {
        batch.changes.reduce(64) { sum, change in
            switch change {
            case .put(let entry): sum + entry.key.utf8.count + entry.value.count + 64
            case .delete(let key, _): sum + key.utf8.count + 64
            }
        }
    }
}

extension WatchBatch.Change {
    package var key: String {
        switch self {
        case .put(let entry): entry.key
        case .delete(let key, _): key
        }
    }
}
