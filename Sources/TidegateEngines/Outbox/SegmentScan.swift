internal import Glibc
internal import TidegateCore

/// Reads a segment file from its start, frame by frame, in windows of bounded size.
struct SegmentScan: ~Copyable {
    struct Result {
        /// Behind the last whole frame that has only whole frames before it.
        var soundBytes = 0
        /// Places where frames were damaged and whole ones follow.
        var damagedPlaces = 0
        var fileBytes = 0
    }

    private static let windowBytes = 4 << 20
    private let path: String
    private let file: FileDescriptor
    private let size: Int
    private var window: [UInt8] = []
    private var windowStart = 0

    private init(path: String, file: consuming FileDescriptor, size: Int) {
        self.path = path
        self.size = size
        self.file = file
    }

    /// - Parameter visit: told of each whole frame: its head, where it begins, its body.
    static func run(
        path: String, _ visit: (OutboxFrame, Int, ArraySlice<UInt8>) -> Void
    ) throws(SystemFailure) -> Result {
        let file = try FileDescriptor(opening: path, O_RDONLY)
        let size = try file.size(path: path)
        var scan = SegmentScan(path: path, file: file, size: size)
        return try scan.run(visit)
    }

    private mutating func run(
        _ visit: (OutboxFrame, Int, ArraySlice<UInt8>) -> Void
    ) throws(SystemFailure) -> Result {
        var result = Result(fileBytes: size)
        var offset = 0
        while offset < size {
            if let frame = try frame(at: offset) {
                if result.damagedPlaces == 0 { result.soundBytes = offset + frame.bytes }
                let body = offset - windowStart + OutboxFrame.headBytes
                visit(frame, offset, window[body..<(body + frame.bodyBytes)])
                offset += frame.bytes
            } else if let next = try nextFrame(behind: offset) {
                result.damagedPlaces += 1
                offset = next
            } else {
                break
            }
        }
        return result
    }

    /// The whole frame at `offset`, which the window then holds.
    private mutating func frame(at offset: Int) throws(SystemFailure) -> OutboxFrame? {
        try load(offset, OutboxFrame.headBytes)
        guard let head = withBytes(at: offset, { OutboxFrame(head: $0) }) else { return nil }
        try load(offset, head.bytes)
        return withBytes(at: offset) { OutboxFrame.read($0) }
    }

    private mutating func nextFrame(behind offset: Int) throws(SystemFailure) -> Int? {
        // Behind a sound head comes its body: what looks like a frame in there is somebody's text.
        let head = withBytes(at: offset) { OutboxFrame(head: $0) }
        var candidate = offset + (head?.bytes ?? 1)
        while candidate + OutboxFrame.headBytes <= size {
            try load(candidate, OutboxFrame.headBytes)
            let end = windowStart + window.count - OutboxFrame.headBytes
            while candidate <= end {
                if window[candidate - windowStart] == UInt8(ascii: "T"),
                    withBytes(at: candidate, { OutboxFrame(head: $0) }) != nil
                {
                    let whole = try frame(at: candidate)
                    if whole != nil { return candidate }
                    break  // the window may have moved: look at it afresh
                }
                candidate += 1
            }
            if candidate <= end { candidate += 1 }
        }
        return nil
    }

    private func withBytes<Value>(at offset: Int, _ body: (UnsafeRawBufferPointer) -> Value?) -> Value? {
        guard offset >= windowStart, offset < windowStart + window.count else { return nil }
        return window.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[(offset - windowStart)...])) }
    }

    private mutating func load(_ offset: Int, _ count: Int) throws(SystemFailure) {
        let end = min(offset + count, size)
        if offset >= windowStart, end <= windowStart + window.count { return }
        windowStart = offset
        window = try file.read(offset..<max(end, min(offset + Self.windowBytes, size)), path: path)
    }
}
