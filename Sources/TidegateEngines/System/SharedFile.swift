internal import Glibc
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
    func read(_ range: Range<Int>) throws(TidegateError) -> [UInt8] {
        do throws(SystemFailure) {
            let bytes = try file.read(range, path: path)
            guard bytes.count == range.count else { throw SystemFailure("read", path, code: EIO) }
            return bytes
        } catch { throw error.error }
    }

    func write(_ bytes: [UInt8], at offset: Int) throws(TidegateError) {
        do throws(SystemFailure) { try file.write(bytes, at: offset, path: path) } catch { throw error.error }
    }

    func remove() { try? Directories.remove(path) }
}
