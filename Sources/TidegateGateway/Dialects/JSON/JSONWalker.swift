/// Walks over a JSON document (RFC 8259, strict) in one pass without allocating. Each method starts at `at` and leaves it
/// behind what it read.
package struct JSONWalker {
    /// Containers inside one another at most.
    package static let depthMax = 128

    let bytes: UnsafeRawBufferPointer
    package var at: Int

    package init(_ bytes: UnsafeRawBufferPointer, at offset: Int = 0) {
        self.bytes = bytes
        at = offset
        if offset == 0, bytes.count >= 3, bytes[0] == 0xEF, bytes[1] == 0xBB, bytes[2] == 0xBF { at = 3 }
    }

    package var isAtEnd: Bool { at >= bytes.count }

    /// The byte at `at`, or zero at the end: zero is no part of any JSON outside strings, so it fails wherever it shows.
    @inline(__always)
    package var current: UInt8 { at < bytes.count ? bytes[at] : 0 }

    @inline(__always)
    package mutating func skipSpace() {
        while at < bytes.count {
            let byte = bytes[at]
            guard byte <= 0x20, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return }
            at += 1
        }
    }

    var malformed: JSONFault { JSONFault(.malformed, at: at) }

    @inline(__always)
    package mutating func expect(_ byte: UInt8) throws(JSONFault) {
        guard current == byte else { throw malformed }
        at += 1
    }

    /// Reads a value of any kind, whole, at nesting depth `depth`, without white space around it.
    package mutating func value(depth: Int = 0) throws(JSONFault) -> FieldValue {
        let start = at
        switch current {
        case UInt8(ascii: "\""):
            let hasEscapes = try string()
            return FieldValue(kind: .string, hasEscapes: hasEscapes, range: start..<at)
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            let kind: FieldValue.Kind = current == UInt8(ascii: "{") ? .object : .array
            try skipContainer(depth: depth)
            return FieldValue(kind: kind, range: start..<at)
        default:
            let kind = try scalar()
            return FieldValue(kind: kind, range: start..<at)
        }
    }

    /// Fails unless only white space is left.
    package mutating func end() throws(JSONFault) {
        skipSpace()
        guard isAtEnd else { throw malformed }
    }

    /// Skips an object or array with all that is in it. Keeps the kinds of the open containers as bits: 1 is an object.
    private mutating func skipContainer(depth outer: Int) throws(JSONFault) {
        var kinds: UInt128 = 0
        var depth = 0
        while true {
            // At a value.
            let byte = current
            if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") {
                guard outer + depth < Self.depthMax else { throw JSONFault(.tooDeep, at: at) }
                let isObject = byte == UInt8(ascii: "{")
                kinds = kinds << 1 | (isObject ? 1 : 0)
                depth += 1
                at += 1
                skipSpace()
                if current != (isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
                    if isObject { try key() }
                    continue
                }
                at += 1
                kinds >>= 1
                depth -= 1
            } else if byte == UInt8(ascii: "\"") {
                _ = try string()
            } else {
                _ = try scalar()
            }
            // Behind a value: close what ends here, up to the next value.
            while true {
                if depth == 0 { return }
                skipSpace()
                let isObject = kinds & 1 == 1
                let next = current
                at += 1
                if next == UInt8(ascii: ",") {
                    skipSpace()
                    if isObject { try key() }
                    break
                }
                guard next == (isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else {
                    at -= 1
                    throw malformed
                }
                kinds >>= 1
                depth -= 1
            }
        }
    }

    /// A member's name, its colon and the space around it.
    @inline(__always)
    private mutating func key() throws(JSONFault) {
        _ = try string()
        skipSpace()
        try expect(UInt8(ascii: ":"))
        skipSpace()
    }
}
