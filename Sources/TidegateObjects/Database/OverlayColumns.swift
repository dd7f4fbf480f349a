internal import GRDB
internal import TidegateCore

/// Later words about rows, field by field: of two edits of a field, the one with the larger LSN holds.
enum OverlayColumns {
    static func put(_ patch: LogPatch, onRow row: Int64, lsn: LSN, into db: Database) throws {
        var statement = try db.prepared(
            "INSERT INTO overlay VALUES(?, ?, ?, ?, ?, ?, ?) ON CONFLICT(lsn) DO UPDATE SET \(newest(of: "overlay"))")
        statement.bind(row)
        statement.bind(patch, lsn)
        try statement.run()
    }

    static func put(_ patch: LogPatch, onUnknown id: RecordID, atMs: Int64, lsn: LSN, into db: Database) throws {
        var statement = try db.prepared(
            """
            INSERT INTO orphan_overlay VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT(idHigh, idLow) DO UPDATE SET \(newest(of: "orphan_overlay")),
                atMs = max(orphan_overlay.atMs, excluded.atMs), lsn = max(orphan_overlay.lsn, excluded.lsn)
            """)
        statement.bind(id.high)
        statement.bind(id.low)
        statement.bind(patch, lsn)
        statement.bind(atMs)
        statement.bind(lsn.stored)
        try statement.run()
    }

    /// Lays the words of one schema's table over another's, for rows that are in the other's log.
    static func merge(from: String, into: String, _ db: Database) throws {
        try db.runOnce(
            """
            INSERT INTO \(into).overlay SELECT * FROM \(from).overlay
                WHERE lsn IN (SELECT lsn FROM \(into).log) ON CONFLICT(lsn) DO UPDATE SET \(newest(of: "overlay"))
            """, []
        ) { _ in }
    }

    /// A line of one such table into another.
    static func put(_ values: [SQLValue], in schema: String, _ db: Database) throws {
        try db.run(
            """
            INSERT INTO \(schema).overlay VALUES(?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT(lsn) DO UPDATE SET \(newest(of: "overlay"))
            """, values)
    }

    private static func newest(of table: String) -> String {
        ["feedback", "score", "metadata"].map { field in
            """
            \(field) = CASE WHEN excluded.\(field)LSN > ifnull(\(table).\(field)LSN, -1)
                THEN excluded.\(field) ELSE \(table).\(field) END,
            \(field)LSN = CASE WHEN excluded.\(field)LSN > ifnull(\(table).\(field)LSN, -1)
                THEN excluded.\(field)LSN ELSE \(table).\(field)LSN END
            """
        }.joined(separator: ",\n")
    }
}

extension SQLStatement {
    /// Value and LSN of each of the three fields; both NULL where the patch says nothing.
    fileprivate mutating func bind(_ patch: LogPatch, _ lsn: LSN) {
        bind(patch.feedback ?? nil)
        bind(patch.feedback == nil ? nil : lsn.stored)
        bind(patch.score ?? nil)
        bind(patch.score == nil ? nil : lsn.stored)
        bind(patch.metadata ?? nil)
        bind(patch.metadata == nil ? nil : lsn.stored)
    }
}
