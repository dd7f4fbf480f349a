/// Picks a few members out of JSON text that comes in pieces, without keeping the rest: an answer of any size is read with
/// memory for what was asked only. It skips rather than checks; what it picked is checked by whoever reads it.
///
/// A sequence of documents (one a line) and a top-level array of them (Gemini's streams) count as documents of their own: of
/// equal paths the last one seen is kept.
struct MemberFilter: Sendable {
    /// Bytes of one picked value at most; longer ones are dropped.
    static let valueBytesMax = 64 << 10
    private static let nameBytesMax = 64

    private enum Mode { case structure, string, escape }

    private let paths: FieldPaths
    /// One value per path as JSON text, perhaps with white space around it.
    private(set) var values: [[UInt8]?]
    /// Nothing more can be learned: the text is no JSON or nests too deep.
    private var isBroken = false
    private var mode = Mode.structure
    /// Bits of the open containers, 1 is an object; lowest is the innermost.
    private var kinds: UInt128 = 0
    private var depth = 0
    /// Wanted node of each open container on the wanted path, or −1; containers deeper than the array are unwanted.
    private var places: [Int] = []
    /// Wanted node of the value that comes next, or −1.
    private var nextPlace = 0
    private var expectsName = false
    private var isName = false
    private var name: [UInt8] = []
    private var nameHasEscapes = false
    /// Path being picked, and the depth of the object it is a member of.
    private var pick = -1
    private var pickDepth = 0

    init(_ paths: FieldPaths) {
        self.paths = paths
        values = Array(repeating: nil, count: paths.count)
    }

    mutating func consume(_ bytes: UnsafeRawBufferPointer) {
        var at = 0
        var pickStart = 0
        while at < bytes.count, !isBroken {
            switch mode {
            case .escape:
                collectName(bytes[at])
                mode = .string
                at += 1
            case .string:
                let end = Self.stringEnd(bytes, from: at)
                if isName { collectName(UnsafeRawBufferPointer(rebasing: bytes[at..<end])) }
                at = end
                guard at < bytes.count else { continue }
                if bytes[at] == UInt8(ascii: "\\") {
                    mode = .escape
                    nameHasEscapes = true
                    collectName(bytes[at])
                } else {
                    mode = .structure
                    if isName { endName() }
                }
                at += 1
            case .structure:
                if kinds & 1 == 0, depth > 0 { at = Self.bracketOrQuote(bytes, from: at) }
                guard at < bytes.count else { continue }
                structure(bytes, &at, &pickStart)
            }
        }
        if pick >= 0 { keep(UnsafeRawBufferPointer(rebasing: bytes[min(pickStart, bytes.count)...])) }
    }

    private mutating func structure(_ bytes: UnsafeRawBufferPointer, _ at: inout Int, _ pickStart: inout Int) {
        let byte = bytes[at]
        switch byte {
        case UInt8(ascii: "\""):
            mode = .string
            isName = expectsName && depth <= places.count && places[depth - 1] >= 0
            expectsName = false
            name.removeAll(keepingCapacity: true)
            nameHasEscapes = false
        case UInt8(ascii: "{"), UInt8(ascii: "["): open(isObject: byte == UInt8(ascii: "{"))
        case UInt8(ascii: "}"), UInt8(ascii: "]"), UInt8(ascii: ","):
            if pick >= 0, depth == pickDepth {
                keep(UnsafeRawBufferPointer(rebasing: bytes[pickStart..<at]))
                pick = -1
            }
            byte == UInt8(ascii: ",") ? next() : close()
        case UInt8(ascii: ":"):
            if pick < 0, nextPlace > 0, paths.nodes[nextPlace].slot >= 0, depth == places.count {
                pick = paths.nodes[nextPlace].slot
                pickDepth = depth
                pickStart = at + 1
                values[pick] = []
            }
        default: break
        }
        at += 1
    }

    private mutating func open(isObject: Bool) {
        guard depth < JSONWalker.depthMax else {
            isBroken = true
            return
        }
        // Containers are noted as long as all around them are wanted; an array only at the top, for the documents in it.
        if depth == places.count {
            if isObject {
                places.append(nextPlace)
            } else if depth == 0 {
                places.append(0)
            }
        }
        kinds = kinds << 1 | (isObject ? 1 : 0)
        depth += 1
        expectsName = isObject
        nextPlace = !isObject && depth == 1 ? 0 : -1
    }

    private mutating func close() {
        guard depth > 0 else {
            isBroken = true
            return
        }
        if depth == places.count { places.removeLast() }
        kinds >>= 1
        depth -= 1
        expectsName = false
        nextPlace = depth == 0 || depth == 1 && kinds & 1 == 0 ? 0 : -1
    }

    private mutating func next() {
        expectsName = kinds & 1 == 1
        nextPlace = depth == 1 && !expectsName ? 0 : -1
    }

    private mutating func endName() {
        isName = false
        let place = places[depth - 1]
        nextPlace =
            nameHasEscapes
            ? name.withUnsafeBytes { JSONText.unescaped($0) }.withUnsafeBytes { paths.child(of: place, named: $0) }
            : name.withUnsafeBytes { paths.child(of: place, named: $0) }
        guard nextPlace > 0 else { return }
        var stale = paths.nodes[nextPlace].slots
        while stale != 0 {
            values[stale.trailingZeroBitCount] = nil
            stale &= stale - 1
        }
    }

    private mutating func collectName(_ byte: UInt8) {
        if isName, name.count <= Self.nameBytesMax { name.append(byte) }
    }

    private mutating func collectName(_ piece: UnsafeRawBufferPointer) {
        name += piece.prefix(max(0, Self.nameBytesMax + 1 - name.count))
    }

    private mutating func keep(_ piece: UnsafeRawBufferPointer) {
        guard let count = values[pick]?.count else { return }
        if count + piece.count > Self.valueBytesMax {
            values[pick] = nil
        } else {
            values[pick]? += piece
        }
    }
}

extension MemberFilter {
    private static let ones: UInt64 = 0x0101_0101_0101_0101

    /// A byte's high bit is set where a byte of `word` is zero; false positives only behind a true one.
    @inline(__always)
    private static func zeros(_ word: UInt64) -> UInt64 { (word &- ones) & ~word & (ones &* 0x80) }

    private static func stringEnd(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
        var at = start
        while bytes.count - at >= 8 {
            let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
            let found = zeros(word ^ (ones &* 0x22)) | zeros(word ^ (ones &* 0x5C))
            if found != 0 { return at + found.trailingZeroBitCount >> 3 }
            at += 8
        }
        while at < bytes.count, bytes[at] != 0x22, bytes[at] != 0x5C { at += 1 }
        return at
    }

    /// Inside an array only brackets and quotes matter: numbers and commas pass eight at a time (embeddings).
    private static func bracketOrQuote(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
        var at = start
        while bytes.count - at >= 8 {
            let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
            // [ ] { } (and Y, y, _, DEL, which the caller passes over) become 0x7F under this mask.
            let found = zeros((word | (ones &* 0x26)) ^ (ones &* 0x7F)) | zeros(word ^ (ones &* 0x22))
            if found != 0 { return at + found.trailingZeroBitCount >> 3 }
            at += 8
        }
        return at
    }
}
