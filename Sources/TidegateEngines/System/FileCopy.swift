internal import Glibc
internal import TidegateCore

/// Whole files without holding them: a chunk at a time through one buffer. For worker threads.
enum FileCopy {
    static let chunkBytes = 1 << 20

    /// Appends what is in `source` to `target`.
    /// - Returns: bytes copied.
    @discardableResult
    static func append(
        _ source: borrowing FileDescriptor, at path: String, to target: borrowing FileDescriptor, at targetPath: String
    ) throws(SystemFailure) -> Int {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: chunkBytes, alignment: 4_096)
        defer { buffer.deallocate() }
        var offset = 0
        while true {
            let count = try source.read(into: buffer, at: offset, path: path)
            guard count > 0 else { return offset }
            try target.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]), path: targetPath)
            offset += count
        }
    }

    /// Makes the file at `path`, or removes what a failure leaves of it.
    static func fill(
        _ path: String, _ body: (borrowing FileDescriptor) throws(SystemFailure) -> Void
    ) throws(SystemFailure) {
        let file = try FileDescriptor(opening: path, O_RDWR | O_CREAT | O_TRUNC)
        do throws(SystemFailure) { try body(file) } catch {
            try? Directories.remove(path)
            throw error
        }
    }

    static func areEqual(_ one: String, _ other: String) throws(SystemFailure) -> Bool {
        let first = try FileDescriptor(opening: one, O_RDONLY)
        let second = try FileDescriptor(opening: other, O_RDONLY)
        guard try first.size(path: one) == second.size(path: other) else { return false }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * chunkBytes, alignment: 4_096)
        defer { buffer.deallocate() }
        let left = UnsafeMutableRawBufferPointer(rebasing: buffer[..<chunkBytes])
        let right = UnsafeMutableRawBufferPointer(rebasing: buffer[chunkBytes...])
        var offset = 0
        while true {
            let count = try first.read(into: left, at: offset, path: one)
            guard try second.read(into: right, at: offset, path: other) == count else { return false }
            guard count > 0 else { return true }
            guard memcmp(left.baseAddress!, right.baseAddress!, count) == 0 else { return false }
            offset += count
        }
    }
}
