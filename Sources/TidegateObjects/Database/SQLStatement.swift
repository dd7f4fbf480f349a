internal import GRDB
internal import GRDBSQLite

/// A prepared statement bound by position through SQLite's own interface: GRDB keeps and finalises it, we spare the boxing
/// of some 40 values a row, and text keeps bytes behind a NUL.
struct SQLStatement {
    private let statement: Statement
    private let handle: OpaquePointer
    private var position: Int32 = 0

    init(_ statement: Statement) {
        self.statement = statement
        handle = statement.sqliteStatement
    }

    mutating func bind(_ value: Int64?) {
        position += 1
        if let value {
            sqlite3_bind_int64(handle, position, value)
        } else {
            sqlite3_bind_null(handle, position)
        }
    }

    mutating func bind(_ value: Double?) {
        position += 1
        if let value {
            sqlite3_bind_double(handle, position, value)
        } else {
            sqlite3_bind_null(handle, position)
        }
    }

    mutating func bind(_ value: String?) {
        position += 1
        guard var text = value else {
            sqlite3_bind_null(handle, position)
            return
        }
        if text.isEmpty {
            sqlite3_bind_text(handle, position, "", 0, Self.transient)
            return
        }
        let index = position
        text.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) {
                _ = sqlite3_bind_text(handle, index, $0.baseAddress, Int32(clamping: $0.count), Self.transient)
            }
        }
    }

    /// - Parameter bytes: copied; an empty blob stays a blob.
    mutating func bind(blob bytes: UnsafeRawBufferPointer) {
        position += 1
        if bytes.isEmpty {
            sqlite3_bind_zeroblob(handle, position, 0)
        } else {
            sqlite3_bind_blob(handle, position, bytes.baseAddress, Int32(clamping: bytes.count), Self.transient)
        }
    }

    /// - Parameter bytes: not copied: they must stay until the statement has run.
    mutating func bind(lent bytes: UnsafeRawBufferPointer) {
        guard !bytes.isEmpty else { return bind(blob: bytes) }
        position += 1
        sqlite3_bind_blob(handle, position, bytes.baseAddress, Int32(clamping: bytes.count), nil)
    }

    mutating func bind(_ value: SQLValue) {
        switch value {
        case .null: bind(Int64?.none)
        case .integer(let value): bind(value)
        case .real(let value): bind(value)
        case .text(let value): bind(value)
        }
    }

    /// Steps to the end, handing over each row, and makes the statement ready to be bound again.
    mutating func run(_ row: (SQLColumns) throws -> Void = { _ in }) throws {
        defer {
            sqlite3_reset(handle)
            sqlite3_clear_bindings(handle)
            position = 0
        }
        while true {
            switch sqlite3_step(handle) {
            case SQLITE_ROW: try row(SQLColumns(handle: handle))
            case SQLITE_DONE: return
            case let code:
                let message = sqlite3_errmsg(sqlite3_db_handle(handle)).map { String(cString: $0) } ?? ""
                throw SQLiteFailure(code: code, message: message)
            }
        }
    }

    private static var transient: sqlite3_destructor_type {
        unsafeBitCast(-1, to: sqlite3_destructor_type.self)
    }
}

/// The current row of a statement, by column from 0.
struct SQLColumns {
    let handle: OpaquePointer

    func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }
    func isNull(_ column: Int32) -> Bool { sqlite3_column_type(handle, column) == SQLITE_NULL }
    func optionalInteger(_ column: Int32) -> Int64? { isNull(column) ? nil : integer(column) }
    func optionalReal(_ column: Int32) -> Double? { isNull(column) ? nil : sqlite3_column_double(handle, column) }

    func text(_ column: Int32) -> String {
        guard let start = sqlite3_column_text(handle, column) else { return "" }
        let count = Int(sqlite3_column_bytes(handle, column))
        return String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    }

    /// The text's bytes where SQLite keeps them: gone with the row.
    func withText<Value>(_ column: Int32, _ body: (UnsafeRawBufferPointer) throws -> Value) rethrows -> Value {
        let start = sqlite3_column_text(handle, column)
        return try body(UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, column))))
    }

    /// The blob's bytes where SQLite keeps them: gone with the row.
    func withBlob<Value>(_ column: Int32, _ body: (UnsafeRawBufferPointer) throws -> Value) rethrows -> Value {
        let start = sqlite3_column_blob(handle, column)
        return try body(UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, column))))
    }

    func blob(_ column: Int32) -> [UInt8] {
        guard let start = sqlite3_column_blob(handle, column) else { return [] }
        return Array(UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, column))))
    }

    func value(_ column: Int32) -> SQLValue {
        switch sqlite3_column_type(handle, column) {
        case SQLITE_INTEGER: .integer(integer(column))
        case SQLITE_FLOAT: .real(sqlite3_column_double(handle, column))
        case SQLITE_TEXT: .text(text(column))
        default: .null
        }
    }
}

extension Database {
    /// A statement that stays prepared for the life of the connection.
    func prepared(_ sql: String) throws -> SQLStatement { SQLStatement(try cachedStatement(sql: sql)) }

    func run(_ sql: String, _ values: [SQLValue] = [], _ row: (SQLColumns) throws -> Void = { _ in }) throws {
        var statement = try prepared(sql)
        for value in values { statement.bind(value) }
        try statement.run(row)
    }

    /// As `run`, for a statement that will hardly come again.
    func runOnce(_ sql: String, _ values: [SQLValue], _ row: (SQLColumns) throws -> Void) throws {
        var statement = SQLStatement(try makeStatement(sql: sql))
        for value in values { statement.bind(value) }
        try statement.run(row)
    }

    /// Rows that the last INSERT, UPDATE or DELETE changed.
    var changes: Int64 { sqliteConnection.map { Int64(sqlite3_changes($0)) } ?? 0 }
}
