internal import GRDB

/// The tables of one gateway's database. The file is a cache of the log: another version is thrown away and replayed.
enum DatabaseSchema {
    static let version: Int64 = 5

    static func create(_ db: Database) throws {
        for statement in tables { try db.execute(sql: statement) }
    }

    /// `log` keeps what lists show, filter or sort by; bodies lie apart, so that a scan does not read them. Text that is
    /// absent is empty; numbers that are absent are NULL. `flags`, sizes and LSNs are 64-bit patterns.
    ///
    /// Three indices, each measured to cost 0.3 to 1.2 µs a row (16 KiB pages, rows arriving nearly in order): shown time
    /// (every list), id (point reads and the assertion that ids are unique), errors by time. Indices on model or provider
    /// cost 1.5 to 3 µs each and are left out: such filters walk the time index until the page is full.
    private static let tables = [
        log(named: "hot"),
        "CREATE INDEX log_created ON hot(createdAt)",
        "CREATE UNIQUE INDEX log_id ON hot(idHigh, idLow)",
        "CREATE INDEX log_errors ON hot(createdAt) WHERE success = 0",
        // The rows that are hot. Those that a seal took lie in `hot` for a while, and are nobody's any more. The plus keeps
        // the condition from being mistaken for a good way into the table.
        "CREATE VIEW log AS SELECT * FROM hot WHERE +lsn > (SELECT sealedThrough FROM meta)",
        HotBodyBlock.table,
        overlay(),
        """
        CREATE TABLE orphan_overlay(
            idHigh INTEGER NOT NULL, idLow INTEGER NOT NULL, feedback REAL, feedbackLSN INTEGER, score REAL,
            scoreLSN INTEGER, metadata TEXT, metadataLSN INTEGER, atMs INTEGER NOT NULL, lsn INTEGER NOT NULL,
            PRIMARY KEY(idHigh, idLow)) WITHOUT ROWID
        """,
        "CREATE INDEX orphan_age ON orphan_overlay(lsn)",
        "CREATE INDEX orphan_time ON orphan_overlay(atMs)",
        """
        CREATE TABLE stream(
            idHigh INTEGER NOT NULL, idLow INTEGER NOT NULL, wm INTEGER NOT NULL, markHigh INTEGER NOT NULL,
            markLow INTEGER NOT NULL, PRIMARY KEY(idHigh, idLow)) WITHOUT ROWID
        """,
        // Minutes of the newest three days, and hours for good.
        rollup("rollup"), rollup("rollup_hour"),
        """
        CREATE TABLE quarantine(
            place INTEGER PRIMARY KEY, lsn INTEGER NOT NULL, reason TEXT NOT NULL, content BLOB NOT NULL)
        """,
        // Sealed rows. `live` and `tombstones` add up to `rows`; `edited` is the newest edit of one of its rows that is not
        // in it, `version` the entry that changed this line or a tombstone or overlay of it last.
        """
        CREATE TABLE segment(
            first INTEGER PRIMARY KEY, last INTEGER NOT NULL, asOf INTEGER NOT NULL, rows INTEGER NOT NULL,
            live INTEGER NOT NULL, tombstones INTEGER NOT NULL, edited INTEGER NOT NULL, version INTEGER NOT NULL,
            key TEXT NOT NULL, crc INTEGER NOT NULL, storedBytes INTEGER NOT NULL, fileBytes INTEGER NOT NULL,
            packKey TEXT NOT NULL, packBytes INTEGER NOT NULL, runs BLOB NOT NULL, zone BLOB NOT NULL,
            bodyObjects BLOB NOT NULL)
        """,
        "CREATE UNIQUE INDEX segment_key ON segment(key)",
        // Rows that are in a segment and yet deleted.
        "CREATE TABLE tombstone(lsn INTEGER PRIMARY KEY)",
        // Objects that no row needs since log object `n`.
        "CREATE TABLE garbage(key TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID",
        """
        CREATE TABLE meta(
            version INTEGER NOT NULL, uidHigh INTEGER NOT NULL, uidLow INTEGER NOT NULL, bootID TEXT NOT NULL,
            slot TEXT NOT NULL, appliedN INTEGER NOT NULL, epoch INTEGER NOT NULL, live INTEGER NOT NULL,
            orphans INTEGER NOT NULL, isDeleted INTEGER NOT NULL, segmentVersion INTEGER NOT NULL,
            sealedThrough INTEGER NOT NULL)
        """,
    ]

    /// - Parameter table: its `start` counts minutes or hours since 1970.
    private static func rollup(_ table: String) -> String {
        """
        CREATE TABLE \(table)(
            start INTEGER NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL, statusClass INTEGER NOT NULL,
            cached INTEGER NOT NULL, requests INTEGER NOT NULL, errors INTEGER NOT NULL, inputUncached INTEGER NOT NULL,
            inputCacheRead INTEGER NOT NULL, inputCacheWrite INTEGER NOT NULL, outputText INTEGER NOT NULL,
            outputReasoning INTEGER NOT NULL, cost INTEGER NOT NULL, durationSumMs INTEGER NOT NULL,
            latencySumMs INTEGER NOT NULL, durationMaxMs INTEGER NOT NULL,
            PRIMARY KEY(start, provider, model, statusClass, cached)) WITHOUT ROWID
        """
    }

    /// The rows, as here so in every segment.
    static func log(named name: String = "log") -> String {
        """
        CREATE TABLE \(name)(
            lsn INTEGER PRIMARY KEY, idHigh INTEGER NOT NULL, idLow INTEGER NOT NULL, createdAt INTEGER NOT NULL,
            receivedAt INTEGER NOT NULL, startedAt INTEGER NOT NULL, durationMs INTEGER NOT NULL,
            latencyMs INTEGER NOT NULL, eventID TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL,
            modelType TEXT NOT NULL, path TEXT NOT NULL, method TEXT NOT NULL, requestType TEXT NOT NULL,
            requestContentType TEXT NOT NULL, responseContentType TEXT NOT NULL, userAgent TEXT NOT NULL,
            step INTEGER NOT NULL, attempts INTEGER NOT NULL, statusCode INTEGER NOT NULL, outcome INTEGER NOT NULL,
            success INTEGER NOT NULL, inputUncached INTEGER, inputCacheRead INTEGER, inputCacheWrite INTEGER,
            outputText INTEGER, outputReasoning INTEGER, usageSource INTEGER NOT NULL, cost INTEGER,
            priceVersion TEXT NOT NULL, metadata TEXT NOT NULL, flags INTEGER NOT NULL, requestBytes INTEGER NOT NULL,
            responseBytes INTEGER NOT NULL, keptRequest INTEGER NOT NULL, keptResponse INTEGER NOT NULL,
            requestObject TEXT NOT NULL, responseObject TEXT NOT NULL)
        """
    }

    /// - Parameter schema: where, with its dot.
    static func overlay(in schema: String = "") -> String {
        """
        CREATE TABLE \(schema)overlay(
            lsn INTEGER PRIMARY KEY, feedback REAL, feedbackLSN INTEGER, score REAL, scoreLSN INTEGER, metadata TEXT,
            metadataLSN INTEGER)
        """
    }
}
