/// Takes a server-sent event stream apart (WHATWG HTML §9.2.6) as its bytes come, wherever the chunks are cut.
///
/// Lines end with LF, CR or CRLF; a byte order mark at the start, comments, `id` and `retry` are passed over; several `data`
/// lines of an event are joined by LF. What is larger than `eventBytesMax` is skipped to its end and counted, not kept.
package struct EventScanner: Sendable {
    package static let eventBytesMaxDefault = 4 << 20

    /// Events that were too large.
    package private(set) var skippedEvents = 0
    private let eventBytesMax: Int
    /// Start of a line whose end has not come.
    private var line: [UInt8] = []
    private var data: [UInt8] = []
    private var name: [UInt8] = []
    private var hasData = false
    private var isOversized = false
    private var isLineOversized = false
    private var isAtStart = true
    /// The last chunk ended with CR: an LF that comes first now belongs to it.
    private var skipsLF = false

    package init(eventBytesMax: Int = Self.eventBytesMaxDefault) { self.eventBytesMax = eventBytesMax }

    /// True between events: nothing of a next one has been seen.
    package var isBetweenEvents: Bool { line.isEmpty && !isLineOversized && !hasData && name.isEmpty && !isOversized }

    /// - Parameter onEvent: called per event with its name (empty: `message`) and its data. Both are valid only during the call.
    package mutating func consume(
        _ bytes: UnsafeRawBufferPointer,
        _ onEvent: (_ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer) -> Void
    ) {
        var at = 0
        if skipsLF, !bytes.isEmpty {
            skipsLF = false
            if bytes[0] == 0x0A { at = 1 }
        }
        while at < bytes.count {
            let end = LineEnd.first(in: bytes, from: at)
            let piece = UnsafeRawBufferPointer(rebasing: bytes[at..<end])
            guard end < bytes.count else {
                keep(piece)
                return
            }
            if line.isEmpty && !isLineOversized {
                handle(piece, onEvent)
            } else {
                keep(piece)
                endLine(onEvent)
            }
            at = end + 1
            if bytes[end] == 0x0D {
                if at == bytes.count {
                    skipsLF = true
                } else if bytes[at] == 0x0A {
                    at += 1
                }
            }
        }
    }

    /// Hands out what an end of stream without a blank line left behind. The standard drops it; a usage report in it counts
    /// all the same.
    package mutating func finish(
        _ onEvent: (_ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer) -> Void
    ) {
        if !line.isEmpty || isLineOversized { endLine(onEvent) }
        dispatch(onEvent)
    }

    private mutating func keep(_ piece: UnsafeRawBufferPointer) {
        if isLineOversized || line.count + piece.count > eventBytesMax {
            isLineOversized = true
            line.removeAll()
        } else {
            line += piece
        }
    }

    /// Handles the line that was kept in pieces.
    private mutating func endLine(_ onEvent: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void) {
        if isLineOversized {
            isLineOversized = false
            isAtStart = false
            skipEvent()
        } else {
            var whole: [UInt8] = []
            swap(&whole, &line)
            whole.withUnsafeBytes { handle($0, onEvent) }
        }
    }

    private mutating func skipEvent() {
        isOversized = true
        data.removeAll()
    }

    private mutating func handle(
        _ line: UnsafeRawBufferPointer, _ onEvent: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void
    ) {
        // The same limit whether the line came in one piece or in many.
        if line.count > eventBytesMax {
            isAtStart = false
            return skipEvent()
        }
        var line = line
        if isAtStart {
            isAtStart = false
            if line.starts(with: [0xEF, 0xBB, 0xBF]) { line = UnsafeRawBufferPointer(rebasing: line[3...]) }
        }
        guard !line.isEmpty else { return dispatch(onEvent) }
        let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.count
        var start = min(colon + 1, line.count)
        if start < line.count, line[start] == 0x20 { start += 1 }
        let field = UnsafeRawBufferPointer(rebasing: line[..<colon])
        let value = UnsafeRawBufferPointer(rebasing: line[start...])
        if field.elementsEqual("data".utf8) {
            guard !isOversized, data.count + value.count < eventBytesMax else { return skipEvent() }
            if hasData { data.append(0x0A) }
            hasData = true
            data += value
        } else if field.elementsEqual("event".utf8) {
            name.removeAll(keepingCapacity: true)
            name += value.prefix(256)
        }
    }

    private mutating func dispatch(_ onEvent: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void) {
        if isOversized {
            skippedEvents += 1
        } else if hasData {
            name.withUnsafeBytes { name in data.withUnsafeBytes { data in onEvent(name, data) } }
        }
        isOversized = false
        hasData = false
        name.removeAll(keepingCapacity: true)
        data.removeAll(keepingCapacity: true)
    }
}

enum LineEnd {
    /// Index of the first CR or LF at or behind `start`; the count when there is none. Looks at eight bytes at a time.
    static func first(in bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
        let ones: UInt64 = 0x0101_0101_0101_0101
        var at = start
        while bytes.count - at >= 8 {
            let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
            let feeds = word ^ (ones &* 0x0A)
            let returns = word ^ (ones &* 0x0D)
            let found = ((feeds &- ones) & ~feeds | (returns &- ones) & ~returns) & (ones &* 0x80)
            if found != 0 { return at + found.trailingZeroBitCount >> 3 }
            at += 8
        }
        while at < bytes.count {
            if bytes[at] == 0x0A || bytes[at] == 0x0D { return at }
            at += 1
        }
        return at
    }
}
