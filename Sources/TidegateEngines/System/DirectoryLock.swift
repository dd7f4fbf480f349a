internal import Glibc
internal import TidegateCore

/// Keeps other processes out of a directory for as long as it lives. The system lets go when the process ends, however it
/// ends; child processes do not inherit it.
struct DirectoryLock: ~Copyable, Sendable {
    private let file: FileDescriptor

    private init(file: consuming FileDescriptor) { self.file = file }

    /// Lets go by itself, not by closing alone: a child that is being made holds a copy of the descriptor until it has become
    /// another program, and the lock would outlive us for that moment.
    deinit { _ = flock(file.number, LOCK_UN) }

    /// - Throws: `.conflict` when somebody else holds it.
    static func take(_ directory: String) throws(TidegateError) -> DirectoryLock {
        let lock = DirectoryLock(file: try openFile(in: directory))
        guard retrying({ flock(lock.file.number, LOCK_EX | LOCK_NB) }) == 0 else {
            guard errno == EWOULDBLOCK else { throw SystemFailure("flock", directory + "/lock").error }
            throw TidegateError(
                .conflict,
                "Another process uses the directory '\(directory)': stop it, or give this node another state directory."
            )
        }
        return lock
    }

    private static func openFile(in directory: String) throws(TidegateError) -> FileDescriptor {
        do throws(SystemFailure) {
            try Directories.create(directory)
            return try FileDescriptor(opening: directory + "/lock", O_RDWR | O_CREAT)
        } catch { throw error.error }
    }
}
