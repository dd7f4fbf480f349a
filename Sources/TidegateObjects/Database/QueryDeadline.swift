internal import GRDB
internal import GRDBSQLite
internal import TidegateCore

/// When a query must be done, its wait for a thread included.
final class QueryDeadline: Sendable {
    private let end: ContinuousClock.Instant
    private let limit: Duration

    init(after limit: Duration) {
        end = .now + limit
        self.limit = limit
    }

    /// Time to come to an end with what there is.
    var isHalfOver: Bool { ContinuousClock.now >= end - limit / 2 }
    /// Time to stop what only completes an answer.
    var isFifthOver: Bool { ContinuousClock.now >= end - limit * 4 / 5 }

    var hasPassed: Bool { ContinuousClock.now >= end }

    /// Runs `body`; SQLite asks every thousand steps of its machine whether to go on.
    func enforce<Value>(on db: Database, _ body: () throws -> Value) throws -> Value {
        guard !hasPassed else { throw SQLiteFailure(code: SQLITE_INTERRUPT, message: "deadline") }
        let connection = db.sqliteConnection
        sqlite3_progress_handler(
            connection, 1_000,
            { context in
                guard let context else { return 0 }
                return Unmanaged<QueryDeadline>.fromOpaque(context).takeUnretainedValue().hasPassed ? 1 : 0
            }, Unmanaged.passUnretained(self).toOpaque())
        defer { sqlite3_progress_handler(connection, 0, nil, nil) }
        return try withExtendedLifetime(self) { try body() }
    }
}
