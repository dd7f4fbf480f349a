internal import GRDB
package import TidegateCore

/// Rows that are past their age, by their places. A class: see `SealingReport`.
package final class AgedRows: Sendable {
    /// All rows up to this one, whole segments among them.
    package let through: UInt64?
    /// Others, ascending.
    package let rows: [UInt64]
    /// There may be more of those.
    package let isMore: Bool

    package init(through: UInt64?, rows: [UInt64], isMore: Bool) {
        (self.through, self.rows, self.isMore) = (through, rows, isMore)
    }
}

extension GatewayLog {
    /// The order of places is that of rows' arrival, but owners' clocks differ (A17): only rows that are known to be old go,
    /// one by one where a younger one lies before them.
    @concurrent package nonisolated func agedRows(_ limit: AgeLimit) async throws -> AgedRows? {
        try await findAgedRows(limit)
    }

    private func findAgedRows(_ limit: AgeLimit) async throws -> AgedRows? {
        try await scanning("Looking for old rows") { scanner, deadline in
            let hot = try await scanner.agedHotRows(limit, by: deadline)
            let segments = hot.list.segments
            let whole = segments.prefix { ($0.zone.numbers[.receivedAt]?.max ?? .max) < limit.beforeMs }
            let rest = segments.dropFirst(whole.count)
            var through = whole.last?.last
            var rows: [Int64] = []
            for segment in rest where rows.count < limit.rowsMax {
                guard let oldest = segment.zone.numbers[.receivedAt]?.min, oldest < limit.sealedBeforeMs else {
                    continue
                }
                rows += try await self.segments.visit(segment, with: scanner, by: deadline) { db, hasTombstones in
                    try AgedRows.sealed(limit, hasTombstones: hasTombstones, db)
                }
            }
            if rest.isEmpty, let end = hot.through { through = end } else { rows += hot.before }
            rows += hot.behind
            let isMore = rows.count >= limit.rowsMax
            rows = Array(rows.prefix(limit.rowsMax)).sorted()
            guard through != nil || !rows.isEmpty else { return nil }
            return AgedRows(
                through: through.map { UInt64(bitPattern: $0) }, rows: rows.map { UInt64(bitPattern: $0) },
                isMore: isMore)
        }
    }
}

extension AgedRows {
    /// A row from the future is taken to be as old as a row behind it.
    static func sealed(_ limit: AgeLimit, hasTombstones: Bool, _ db: Database) throws -> [Int64] {
        var rows: [Int64] = []
        try db.runOnce(
            """
            SELECT lsn FROM log WHERE (receivedAt < ?1 OR receivedAt > ?2)
                AND lsn <= (SELECT max(lsn) FROM log WHERE receivedAt < ?1)
                \(hasTombstones ? "AND lsn NOT IN (SELECT lsn FROM temp.tombstone)" : "") ORDER BY lsn LIMIT ?3
            """,
            [.integer(limit.beforeMs), .integer(limit.possibleMs), .integer(Int64(limit.rowsMax))]
        ) { rows.append($0.integer(0)) }
        return rows
    }
}

/// Hot rows that are past their age, with the segments of the same state.
final class AgedHotRows: Sendable {
    let list: SegmentList
    /// The last of those before the first young row, and those themselves.
    let through: Int64?
    let before: [Int64]
    /// Those behind it.
    let behind: [Int64]

    private init(_ list: SegmentList, through: Int64?, before: [Int64], behind: [Int64]) {
        (self.list, self.through, self.before, self.behind) = (list, through, before, behind)
    }

    static func read(_ limit: AgeLimit, _ list: SegmentList, _ db: Database) throws -> AgedHotRows {
        var young: Int64 = .max
        try db.run(
            "SELECT lsn FROM log WHERE receivedAt BETWEEN ? AND ? ORDER BY lsn LIMIT 1",
            [.integer(limit.beforeMs), .integer(limit.possibleMs)]
        ) { young = $0.integer(0) }
        var through: Int64?
        try db.run(
            "SELECT lsn FROM log WHERE receivedAt < ? AND lsn < ? ORDER BY lsn DESC LIMIT 1",
            [.integer(limit.beforeMs), .integer(young)]
        ) { through = $0.integer(0) }
        var (before, behind) = ([Int64](), [Int64]())
        try db.run(
            "SELECT lsn FROM log WHERE receivedAt < ? AND lsn > ? ORDER BY lsn LIMIT ?",
            [.integer(limit.beforeMs), .integer(young), .integer(Int64(limit.rowsMax))]
        ) { behind.append($0.integer(0)) }
        if let through {
            try db.run(
                "SELECT lsn FROM log WHERE lsn <= ? ORDER BY lsn LIMIT ?",
                [.integer(through), .integer(Int64(limit.rowsMax))]
            ) { before.append($0.integer(0)) }
        }
        return AgedHotRows(list, through: through, before: before, behind: behind)
    }
}
