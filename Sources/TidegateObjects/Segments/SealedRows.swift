internal import GRDB
internal import TidegateCore

/// Rows that a seal has taken, in the file of the hot database. They are invisible from the seal on; deleting 50 000 of them
/// at once would hold up every row behind them for most of a second.
enum SealedRows {
    /// A few milliseconds' worth.
    static let rowsAtOnce: Int64 = 256
    static let blocksAtOnce: Int64 = 8
    /// About what that leaves in the WAL.
    static let bytesWritten: Int64 = 256 << 10

    static func remain(_ meta: DatabaseMeta, _ db: Database) throws -> Bool {
        guard meta.sealedThrough > 0 else { return false }
        var remain = false
        let end = [SQLValue.integer(meta.sealedThrough)]
        try db.run("SELECT 1 FROM hot WHERE lsn <= ? LIMIT 1", end) { _ in remain = true }
        // By the last row: a block that goes on behind the seal stays until the next one.
        guard !remain else { return true }
        try db.run("SELECT last FROM body ORDER BY first LIMIT 1") { remain = $0.integer(0) <= meta.sealedThrough }
        return remain
    }

    /// Takes some of them out. Nothing that anybody can ask changes by it.
    static func remove(_ meta: DatabaseMeta, _ db: Database) throws {
        try db.run(
            "DELETE FROM hot WHERE lsn IN (SELECT lsn FROM hot WHERE lsn <= ? ORDER BY lsn LIMIT ?)",
            [.integer(meta.sealedThrough), .integer(rowsAtOnce)])
        try db.run(
            """
            DELETE FROM body WHERE first IN (SELECT first FROM body WHERE first <= ?1 ORDER BY first LIMIT ?2)
                AND last <= ?1
            """, [.integer(meta.sealedThrough), .integer(blocksAtOnce)])
    }
}
