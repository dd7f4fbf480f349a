internal import Glibc
internal import TidegateCore

/// The file being appended to, and those before it that are not synced yet. A frame is one `writev`; one that fails is
/// taken back, so that the file ends with whole frames.
struct SegmentWriter: Sendable {
    /// Files to sync; the last one is the current.
    struct Unsynced: Sendable {
        var files: [OpenSegment]
        var hasNewFile: Bool
    }

    let directory: String
    private(set) var number: UInt64
    private(set) var offset = 0
    private var current: OpenSegment?
    private var sealed: [OpenSegment] = []
    private var hasNewFile = false
    private var isDirty = false
    private let segmentBytes: Int
    private let fault: (@Sendable () -> Int32)?

    init(directory: String, newest: UInt64, settings: OutboxSettings) {
        self.directory = directory
        number = newest
        segmentBytes = settings.segmentBytes
        fault = settings.writeFault
    }

    var needsNewFile: Bool { current == nil || offset >= segmentBytes }
    var isClean: Bool { !isDirty && sealed.isEmpty }

    static func path(_ directory: String, _ number: UInt64) -> String {
        let digits = String(number)
        return "\(directory)/\(String(repeating: "0", count: max(0, 12 - digits.count)))\(digits).seg"
    }

    /// Begins the next file with `counters` at its head.
    /// - Returns: its length.
    mutating func startFile(_ counters: OutboxCounters) throws(SystemFailure) -> Int {
        var head = OutboxFrame(.segment)
        head.sequence = number + 1
        head.intent = counters.nextIntent
        let bytes = head.bytes(body: counters.encoded())
        let path = Self.path(directory, number + 1)
        try checkFault(path)
        let segment = try OpenSegment(path: path)
        do throws(SystemFailure) { try segment.file.write(bytes, path: path) } catch {
            try? Directories.remove(path)
            throw error
        }
        if let current { sealed.append(current) }
        (current, number, offset, isDirty, hasNewFile) = (segment, number + 1, bytes.count, true, true)
        return bytes.count
    }

    /// - Returns: where the frame begins.
    mutating func append(_ frame: OutboxFrame, body: UnsafeRawBufferPointer) throws(SystemFailure) -> Int {
        guard let current else { throw SystemFailure("write", directory, code: EBADF) }
        try checkFault(current.path)
        let start = offset
        let total = OutboxFrame.headBytes + body.count
        let written = withUnsafeTemporaryAllocation(byteCount: OutboxFrame.headBytes, alignment: 16) { head in
            frame.encode(into: head)
            return withUnsafeTemporaryAllocation(of: iovec.self, capacity: 2) { parts in
                parts[0] = iovec(iov_base: head.baseAddress, iov_len: OutboxFrame.headBytes)
                parts[1] = iovec(
                    iov_base: UnsafeMutableRawPointer(mutating: body.baseAddress), iov_len: body.count)
                return retrying { writev(current.file.number, parts.baseAddress, body.isEmpty ? 1 : 2) }
            }
        }
        guard written == total else {
            let failure = SystemFailure("write", current.path, code: written < 0 ? errno : ENOSPC)
            takeBack(to: start)
            throw failure
        }
        offset += total
        isDirty = true
        return start
    }

    mutating func takeUnsynced() -> Unsynced {
        defer { (sealed, isDirty, hasNewFile) = ([], false, false) }
        return Unsynced(files: sealed + (current.map { [$0] } ?? []), hasNewFile: hasNewFile)
    }

    /// The sync failed: these are to be synced again.
    mutating func putBack(_ unsynced: Unsynced) {
        sealed = unsynced.files.filter { $0 !== current } + sealed
        isDirty = true
        hasNewFile = hasNewFile || unsynced.hasNewFile
    }

    private mutating func takeBack(to start: Int) {
        guard let current else { return }
        do throws(SystemFailure) { try current.file.truncate(to: start, path: current.path) } catch {
            sealed.append(current)  // its torn end stays: nothing more is written behind it
            self.current = nil
        }
    }

    private func checkFault(_ path: String) throws(SystemFailure) {
        if let fault, case let code = fault(), code != 0 { throw SystemFailure("write", path, code: code) }
    }
}

/// A segment file open for appending.
final class OpenSegment: Sendable {
    let path: String
    let file: FileDescriptor

    init(path: String) throws(SystemFailure) {
        self.path = path
        file = try FileDescriptor(opening: path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND)
    }

    func sync() throws(SystemFailure) {
        guard retrying({ fdatasync(file.number) }) == 0 else { throw SystemFailure("fdatasync", path) }
    }
}
