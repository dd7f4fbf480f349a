internal import Foundation
internal import GRDB
internal import TidegateCore

/// The least that storing rows in our schema can cost: SQLite's own interface in a loop, one statement for the row and one
/// for its bodies as they are. What the objects do beyond it (decode, compress, watermarks, rollups) is measured against it.
package enum RawInsertLoop {
    /// - Parameter rows: encoded records; decoded before the clock starts.
    /// - Returns: CPU seconds that the loop took.
    package static func run(_ rows: [[UInt8]], file path: String, cpuSeconds: () -> Double) throws -> Double {
        var records: [LogRecord] = []
        for row in rows { records.append(try LogRecord(encoded: row[...])) }
        SQLiteLibrary.configure()
        var configuration = Configuration()
        configuration.prepareDatabase { db in
            try db.execute(sql: "PRAGMA page_size = 16384")
            try db.execute(sql: "PRAGMA journal_mode = WAL")
            try db.execute(sql: "PRAGMA synchronous = OFF")
            try db.execute(sql: "PRAGMA cache_size = -2048")
        }
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        try queue.inDatabase { try DatabaseSchema.create($0) }
        let start = cpuSeconds()
        try queue.inDatabase { db in
            for first in stride(from: 0, to: records.count, by: 1_000) {
                try db.inTransaction(.immediate) {
                    for index in first..<min(first + 1_000, records.count) {
                        let record = records[index]
                        let lsn = LSN(n: LogIndex(index / 1_000 + 1), index: index % 1_000)
                        _ = try RowColumns.insert(
                            record, lsn: lsn, createdAtMs: record.startedAtMs, receivedAtMs: record.startedAtMs,
                            into: db)
                        var body = try db.prepared("INSERT OR REPLACE INTO body VALUES(?, ?, 0, 0, '', ?)")
                        body.bind(lsn.stored)
                        body.bind(lsn.stored)
                        try (record.requestBody + record.responseBody).withUnsafeBytes {
                            body.bind(lent: $0)
                            try body.run()
                        }
                    }
                    return .commit
                }
            }
        }
        let seconds = cpuSeconds() - start
        try queue.close()
        return seconds
    }
}
