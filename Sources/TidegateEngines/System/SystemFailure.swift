internal import Glibc
internal import TidegateCore

/// A system call that failed.
struct SystemFailure: Error, CustomStringConvertible {
    let call: String
    let path: String
    let code: Int32

    /// Reads `errno`: to be made right after the call.
    init(_ call: String, _ path: String) { self.init(call, path, code: errno) }

    init(_ call: String, _ path: String, code: Int32) {
        self.call = call
        self.path = path
        self.code = code
    }

    var description: String { "\(call) \(path): \(String(cString: strerror(code)))" }

    var error: TidegateError {
        let advice =
            switch code {
            case ENOSPC, EDQUOT: "The disk is full: free space there."
            case EIO: "The disk reports errors: check it and its kernel messages."
            case EACCES, EPERM, EROFS: "The process may not write there: check owner, mode and mount options."
            case EMFILE, ENFILE: "Too many open files: raise the limit (ulimit -n)."
            default: "Check the path and the disk."
            }
        return TidegateError(.unavailable, "\(description). \(advice)", cause: self)
    }
}
