internal import Glibc
internal import NIOCore
internal import TidegateCore

/// A file that several jobs of worker threads read or write parts of.
final class SharedFile: Sendable {
    let path: String
    /// When it was opened.
    let bytes: Int
    private let file: FileDescriptor

    init(reading path: String) throws(TidegateError) {
        self.path = path
        do throws(SystemFailure) {
            file = try FileDescriptor(opening: path, O_RDONLY)
            bytes = try file.size(path: path)
        } catch { throw error.error }
    }

    /// A new one, instead of what is there.
    init(making path: String) throws(TidegateError) {
        self.path = path
        bytes = 0
        do throws(SystemFailure) { file = try FileDescriptor(opening: path, O_RDWR | O_CREAT | O_TRUNC) } catch {
            throw error.error
        }
    }

    /// - Throws: `.unavailable` also when the file has become shorter.
    func read(_ range: Range<Int>) throws(TidegateError) -> ByteBuffer {
        var failure: SystemFailure?
        var bytes = ByteBufferAllocator().buffer(capacity: range.count)
        bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: range.count) { target in
            let target = UnsafeMutableRawBufferPointer(rebasing: target[..<range.count])
            do throws(SystemFailure) {
                let count = try file.read(into: target, at: range.lowerBound, path: path)
                if count < range.count { failure = SystemFailure("read", path, code: EIO) }
                return count
            } catch {
                failure = error
                return 0
            }
        }
        if let failure { throw failure.error }
        return bytes
    }

    func write(_ bytes: ByteBuffer, at offset: Int) throws(TidegateError) {
        let result: Result<Void, SystemFailure> = bytes.withUnsafeReadableBytes { bytes in
            do throws(SystemFailure) { return .success(try file.write(bytes, at: offset, path: path)) } catch {
                return .failure(error)
            }
        }
        if case .failure(let failure) = result { throw failure.error }
    }

    func remove() { try? Directories.remove(path) }
}
