internal import GRDB
internal import GRDBSQLite
internal import TidegateCore

/// A value that is bound to a statement. User input reaches SQL only as one of these.
enum SQLValue: Hashable, Sendable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
}

/// What SQLite answered instead of a row or "done".
struct SQLiteFailure: Error, CustomStringConvertible {
    let code: Int32
    let message: String
    var description: String { "SQLite \(code): \(message)" }
}

extension TidegateError {
    /// The error of our contract for something that a database call threw.
    static func database(_ error: any Error, _ doing: String) -> TidegateError {
        if let error = error as? TidegateError { return error }
        let code = (error as? SQLiteFailure)?.code ?? (error as? DatabaseError)?.extendedResultCode.rawValue
        switch code.map({ $0 & 0xFF }) {
        case SQLITE_INTERRUPT:
            return TidegateError(
                .deadlineExceeded, "\(doing) took longer than a query may. Narrow it by time or by other filters.")
        case SQLITE_CORRUPT, SQLITE_NOTADB:
            return TidegateError(.corrupt, "\(doing) failed: the gateway's database file is damaged.", cause: error)
        case SQLITE_FULL, SQLITE_IOERR, SQLITE_BUSY, SQLITE_CANTOPEN, SQLITE_LOCKED, SQLITE_NOMEM, SQLITE_READONLY:
            return TidegateError(.unavailable, "\(doing) failed: the disk or the file did not allow it.", cause: error)
        default:
            return TidegateError(.internalError, "\(doing) failed in the gateway's database.", cause: error)
        }
    }
}
