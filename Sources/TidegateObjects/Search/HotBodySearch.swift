internal import GRDB
internal import TidegateCore

/// Hot rows whose bodies have all words of a search. There is no index of them: inserting stays what it costs, and hot rows
/// are few enough to be read, block by block.
struct HotBodySearch: Sendable {
    /// LSNs.
    private(set) var found: [Int64] = []
    /// Rows whose turn did not come before half of the time was over.
    private(set) var unsearched: Int64 = 0

    init(_ words: BodyWords, _ db: Database, by deadline: QueryDeadline) throws {
        var rows: [Int64: (request: Int, isEventStream: Bool)] = [:]
        try db.run("SELECT lsn, keptRequest, flags FROM log WHERE keptRequest + keptResponse > 0") {
            row in
            rows[row.integer(0)] = (Int(clamping: row.integer(1)), BodyIndex.isEventStream(row.integer(2)))
        }
        unsearched = Int64(rows.count)
        // The newest first: a list begins with them.
        try db.run("SELECT \(HotBodyBlock.columns) FROM body ORDER BY first DESC") { row in
            guard !deadline.isHalfOver else { return }
            try HotBodyBlock.read(row).forEach { lsn, bodies in
                guard let known = rows[lsn] else { return }
                unsearched -= 1
                let text = BodyIndex.text(bodies, request: known.request, isEventStream: known.isEventStream)
                if words.match(text) { found.append(lsn) }
            }
        }
    }
}
