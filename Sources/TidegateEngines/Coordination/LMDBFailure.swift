internal import CLMDB
internal import Glibc
internal import TidegateCore

/// An LMDB call that failed.
struct LMDBFailure: Error, CustomStringConvertible {
    let call: String
    let code: Int32

    var description: String { "\(call): \(String(cString: mdb_strerror(code)))" }

    var error: TidegateError {
        let advice =
            switch code {
            case ENOSPC: "The disk is full: free space there."
            case MDB_CORRUPTED, MDB_PAGE_NOTFOUND, MDB_INVALID: "The file is damaged: restore the state directory."
            case MDB_PANIC: "An earlier write failed half-way: restart the node."
            default: "Check the disk of the state directory."
            }
        return TidegateError(.unavailable, "The coordination store failed, \(description). \(advice)", cause: self)
    }

    static func check(_ call: String, _ code: Int32) throws(LMDBFailure) {
        if code != MDB_SUCCESS { throw LMDBFailure(call: call, code: code) }
    }
}
