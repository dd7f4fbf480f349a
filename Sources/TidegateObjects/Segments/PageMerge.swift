internal import TidegateCore

/// Decides which sources of an ordered list must still be read, from the best place that each could offer. No I/O.
struct PageMerge<Item: Sendable>: Sendable {
    struct Source: Sendable {
        var id: Int
        /// No row of it comes before this place.
        var best: PageBoundary
    }

    private let isDescending: Bool
    private let needed: Int
    /// The next one last.
    private var waiting: [Source]
    private(set) var found: [(boundary: PageBoundary, item: Item)] = []

    init(needed: Int, isDescending: Bool, sources: [Source]) {
        self.needed = needed
        self.isDescending = isDescending
        waiting = sources.sorted { $1.best.comes(before: $0.best, descending: isDescending) }
    }

    /// The source to read next; `nil` when no other can change the first `needed` items.
    mutating func next() -> Int? {
        guard let next = waiting.last else { return nil }
        if found.count >= needed, let last = found.last,
            !next.best.comes(before: last.boundary, descending: isDescending)
        {
            waiting = []
            return nil
        }
        return waiting.removeLast().id
    }

    /// - Parameter items: of one source, in order, its first `needed` at least.
    mutating func add(_ items: [(boundary: PageBoundary, item: Item)]) {
        var merged: [(boundary: PageBoundary, item: Item)] = []
        merged.reserveCapacity(min(needed, found.count + items.count))
        var (left, right) = (0, 0)
        while merged.count < needed, left < found.count || right < items.count {
            let takesRight =
                left >= found.count
                || right < items.count
                    && items[right].boundary.comes(before: found[left].boundary, descending: isDescending)
            merged.append(takesRight ? items[right] : found[left])
            if takesRight { right += 1 } else { left += 1 }
        }
        found = merged
    }

    /// Gives up on the sources that were not read, the one given by `next` last included.
    /// - Parameter unread: where that one could begin.
    /// - Returns: what certainly comes first, and the place behind which everything else lies.
    func cut(_ unread: PageBoundary) -> (items: [(boundary: PageBoundary, item: Item)], end: PageBoundary) {
        var items: [(boundary: PageBoundary, item: Item)] = []
        for item in found {
            guard item.boundary.comes(before: unread, descending: isDescending) else { break }
            items.append(item)
        }
        // Just before the first place that the unread sources could offer.
        let lsn = isDescending ? unread.lsn.adding(1) : unread.lsn.adding(-1)
        return (items, PageBoundary(key: unread.key, lsn: lsn))
    }
}

extension PageBoundary {
    func comes(before other: PageBoundary, descending: Bool) -> Bool {
        switch key.order(other.key) {
        case 0: descending ? lsn > other.lsn : lsn < other.lsn
        case let order: descending ? order > 0 : order < 0
        }
    }
}

extension SQLValue {
    /// Negative, zero or positive, as SQLite sorts: nothing, numbers, text by its bytes.
    fileprivate func order(_ other: SQLValue) -> Int {
        switch (self, other) {
        case (.integer(let a), .integer(let b)): return a < b ? -1 : a > b ? 1 : 0
        case (.text(let a), .text(let b)):
            return a.utf8.elementsEqual(b.utf8) ? 0 : a.utf8.lexicographicallyPrecedes(b.utf8) ? -1 : 1
        default: break
        }
        if let a = number, let b = other.number { return a < b ? -1 : a > b ? 1 : 0 }
        return rank - other.rank
    }

    private var number: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .real(let value): value
        case .null, .text: nil
        }
    }

    private var rank: Int {
        switch self {
        case .null: 0
        case .integer, .real: 1
        case .text: 2
        }
    }
}
