internal import CSQLite

/// Settings of the SQLite library in this process.
enum SQLiteLibrary {
    /// Call before a connection is opened. SQLite counts its memory under one lock for all threads: nobody asks for the sum,
    /// and the lock was 6 % of an insert.
    static func configure() { _ = configured }

    private static let configured = tidegate_sqlite3_count_no_memory()
}
