internal import Foundation
internal import GRDB
internal import TidegateCore

/// The SQLite file of a segment while it is made: the hot tables' rows with indices for reading.
struct SegmentFile {
    static let version: Int64 = 1
    /// Rows are looked for by time, id, model, provider, status and failure; each with time, so that a list in its usual
    /// order needs no sorting.
    static let indices = [
        "CREATE INDEX log_created ON log(createdAt)",
        "CREATE INDEX log_id ON log(idHigh)",
        "CREATE INDEX log_model ON log(model, createdAt)",
        "CREATE INDEX log_provider ON log(provider, createdAt)",
        "CREATE INDEX log_status ON log(statusCode, createdAt)",
        "CREATE INDEX log_errors ON log(createdAt) WHERE success = 0",
    ]

    let path: String

    /// A new file: what was there is removed. Nothing is synced: it is uploaded before anybody relies on it.
    func create() throws -> DatabaseQueue {
        remove()
        SQLiteLibrary.configure()
        var configuration = Configuration()
        configuration.label = "tidegate.segment"
        configuration.prepareDatabase { db in
            try db.execute(sql: "PRAGMA page_size = 8192")
            try db.execute(sql: "PRAGMA journal_mode = OFF")
            try db.execute(sql: "PRAGMA synchronous = OFF")
            try db.execute(sql: "PRAGMA cache_size = -16384")
            try db.execute(sql: "PRAGMA temp_store = MEMORY")
        }
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        try queue.inDatabase { db in
            for statement in [
                DatabaseSchema.log(), DatabaseSchema.overlay(), BodyBlock.table, "CREATE TABLE about(version INTEGER)",
            ] { try db.execute(sql: statement) }
            try db.run("INSERT INTO about VALUES(?)", [.integer(Self.version)])
        }
        return queue
    }

    /// - Returns: statistics and the rows' places; `nil` when there are no rows.
    static func finish(_ db: Database, hasBodyIndex: Bool) throws -> (zone: ZoneMap, runs: LSNRuns)? {
        for index in indices { try db.execute(sql: index) }
        // A sample of each index: the planner compares orders of magnitude.
        try db.execute(sql: "PRAGMA analysis_limit = 1000")
        try db.execute(sql: "ANALYZE")
        guard let zone = try ZoneMap.measured(db, hasBodyIndex: hasBodyIndex) else { return nil }
        var runs = LSNRuns()
        try db.run("SELECT lsn FROM log ORDER BY lsn") { runs.append(UInt64(bitPattern: $0.integer(0))) }
        return (zone, runs)
    }

    static func bodyObjects(_ db: Database) throws -> [String] {
        var keys: [String] = []
        try db.run(
            "SELECT requestObject, responseObject FROM log WHERE requestObject <> '' OR responseObject <> ''"
        ) { row in keys += [row.text(0), row.text(1)].filter { !$0.isEmpty } }
        return keys
    }

    func connect() throws -> DatabaseQueue {
        SQLiteLibrary.configure()
        var configuration = Configuration()
        configuration.readonly = true
        configuration.label = "tidegate.segment"
        configuration.prepareDatabase { db in
            try db.execute(sql: "PRAGMA cache_size = -1024")
            try db.execute(sql: "PRAGMA temp_store = MEMORY")
        }
        return try DatabaseQueue(path: path, configuration: configuration)
    }

    func remove() {
        for suffix in ["", "-journal", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
    }
}
