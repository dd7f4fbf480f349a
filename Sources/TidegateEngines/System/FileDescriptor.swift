internal import Glibc
internal import TidegateCore

/// An open file, closed when the value goes away. Every descriptor is closed on exec.
struct FileDescriptor: ~Copyable, Sendable {
    let number: Int32

    /// - Parameter path: only for messages after opening.
    init(opening path: String, _ flags: Int32, mode: mode_t = 0o600) throws(SystemFailure) {
        number = retrying { open(path, flags | O_CLOEXEC, mode) }
        if number < 0 { throw SystemFailure("open", path) }
    }

    deinit { close(number) }

    /// Writes all of it.
    func write(_ bytes: UnsafeRawBufferPointer, path: String) throws(SystemFailure) {
        var offset = 0
        while offset < bytes.count {
            let count = retrying { Glibc.write(number, bytes.baseAddress! + offset, bytes.count - offset) }
            if count < 0 { throw SystemFailure("write", path) }
            offset += count
        }
    }

    func write(_ bytes: [UInt8], path: String) throws(SystemFailure) {
        try bytes.withUnsafeBufferPointer { buffer throws(SystemFailure) in
            try write(UnsafeRawBufferPointer(buffer), path: path)
        }
    }

    /// Writes all of it at a place, whatever the file's own position.
    func write(_ bytes: UnsafeRawBufferPointer, at start: Int, path: String) throws(SystemFailure) {
        var offset = 0
        while offset < bytes.count {
            let count = retrying {
                pwrite(number, bytes.baseAddress! + offset, bytes.count - offset, off_t(start + offset))
            }
            if count < 0 { throw SystemFailure("write", path) }
            offset += count
        }
    }

    /// - Returns: bytes read; fewer than asked only at the file's end.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int, path: String) throws(SystemFailure) -> Int {
        var filled = 0
        while filled < buffer.count {
            let count = retrying {
                pread(number, buffer.baseAddress! + filled, buffer.count - filled, off_t(offset + filled))
            }
            if count < 0 { throw SystemFailure("read", path) }
            if count == 0 { break }
            filled += count
        }
        return filled
    }

    func read(_ range: Range<Int>, path: String) throws(SystemFailure) -> [UInt8] {
        var failure: SystemFailure?
        let bytes = [UInt8](unsafeUninitializedCapacity: range.count) { buffer, count in
            do throws(SystemFailure) {
                count = try read(into: UnsafeMutableRawBufferPointer(buffer), at: range.lowerBound, path: path)
            } catch { failure = error }
        }
        if let failure { throw failure }
        return bytes
    }

    func size(path: String) throws(SystemFailure) -> Int {
        var status = stat()
        guard fstat(number, &status) == 0 else { throw SystemFailure("stat", path) }
        return Int(status.st_size)
    }

    func truncate(to size: Int, path: String) throws(SystemFailure) {
        guard retrying({ ftruncate(number, off_t(size)) }) == 0 else { throw SystemFailure("truncate", path) }
    }

    func sync(path: String) throws(SystemFailure) {
        guard retrying({ fsync(number) }) == 0 else { throw SystemFailure("fsync", path) }
    }
}

/// Repeats a call that a signal interrupted.
func retrying<Value: SignedInteger>(_ call: () -> Value) -> Value {
    while true {
        let result = call()
        if result >= 0 || errno != EINTR { return result }
    }
}
