extension JSONWalker {
    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let highs: UInt64 = 0x8080_8080_8080_8080

    /// A string with its quotes.
    /// - Returns: whether it has escapes.
    @inline(__always)
    package mutating func string() throws(JSONFault) -> Bool {
        try expect(UInt8(ascii: "\""))
        var hasEscapes = false
        while true {
            skipPlainText()
            guard at < bytes.count else { throw malformed }
            let byte = bytes[at]
            switch byte {
            case UInt8(ascii: "\""):
                at += 1
                return hasEscapes
            case UInt8(ascii: "\\"):
                hasEscapes = true
                try escape()
            case 0x80...: try multibyte()
            default: throw malformed
            }
        }
    }

    /// Skips printable ASCII other than `"` and `\`, eight bytes at a time: a byte of `special` is non-zero when its byte is
    /// below 0x20, above 0x7F, a quote or a backslash (false positives may follow a true one, never precede it).
    @inline(__always)
    private mutating func skipPlainText() {
        while bytes.count - at >= 8 {
            let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
            let quotes = word ^ (Self.ones &* 0x22)
            let slashes = word ^ (Self.ones &* 0x5C)
            let special =
                ((word &- Self.ones &* 0x20) | (quotes &- Self.ones) | (slashes &- Self.ones) | word) & Self.highs
            if special == 0 {
                at += 8
                continue
            }
            at += special.trailingZeroBitCount >> 3
            break
        }
        while at < bytes.count {
            let byte = bytes[at]
            guard byte >= 0x20, byte < 0x80, byte != 0x22, byte != 0x5C else { return }
            at += 1
        }
    }

    private mutating func escape() throws(JSONFault) {
        at += 1
        switch current {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            at += 1
        case UInt8(ascii: "u"):
            at += 1
            let unit = try hexUnit()
            if unit & 0xFC00 == 0xDC00 { throw malformed }
            if unit & 0xFC00 == 0xD800 {
                try expect(UInt8(ascii: "\\"))
                try expect(UInt8(ascii: "u"))
                guard try hexUnit() & 0xFC00 == 0xDC00 else { throw malformed }
            }
        default: throw malformed
        }
    }

    private mutating func hexUnit() throws(JSONFault) -> UInt32 {
        guard bytes.count - at >= 4 else { throw malformed }
        var unit: UInt32 = 0
        for index in at..<at + 4 {
            guard let digit = JSONText.hexDigit(bytes[index]) else { throw malformed }
            unit = unit << 4 | UInt32(digit)
        }
        at += 4
        return unit
    }

    /// One scalar of two to four bytes of well-formed UTF-8 (Unicode table 3-7).
    private mutating func multibyte() throws(JSONFault) {
        let lead = bytes[at]
        var low: UInt8 = 0x80
        var high: UInt8 = 0xBF
        let count: Int
        switch lead {
        case 0xC2...0xDF: count = 2
        case 0xE0: (count, low) = (3, 0xA0)
        case 0xED: (count, high) = (3, 0x9F)
        case 0xE1...0xEF: count = 3
        case 0xF0: (count, low) = (4, 0x90)
        case 0xF1...0xF3: count = 4
        case 0xF4: (count, high) = (4, 0x8F)
        default: throw malformed
        }
        guard bytes.count - at >= count, bytes[at + 1] >= low, bytes[at + 1] <= high else { throw malformed }
        for index in at + 2..<max(at + 2, at + count) where bytes[index] & 0xC0 != 0x80 { throw malformed }
        at += count
    }

    /// `true`, `false`, `null` or a number.
    @inline(__always)
    package mutating func scalar() throws(JSONFault) -> FieldValue.Kind {
        switch current {
        case UInt8(ascii: "t"): return try literal("true", .true)
        case UInt8(ascii: "f"): return try literal("false", .false)
        case UInt8(ascii: "n"): return try literal("null", .null)
        default:
            try number()
            return .number
        }
    }

    private mutating func literal(
        _ text: StaticString, _ kind: FieldValue.Kind
    ) throws(JSONFault) -> FieldValue.Kind {
        guard bytes.count - at >= text.utf8CodeUnitCount else { throw malformed }
        for index in 0..<text.utf8CodeUnitCount where bytes[at + index] != text.utf8Start[index] { throw malformed }
        at += text.utf8CodeUnitCount
        return kind
    }

    private mutating func number() throws(JSONFault) {
        if current == UInt8(ascii: "-") { at += 1 }
        if current == UInt8(ascii: "0") {
            at += 1
        } else {
            try digits()
        }
        if current == UInt8(ascii: ".") {
            at += 1
            try digits()
        }
        if current | 0x20 == UInt8(ascii: "e") {
            at += 1
            if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { at += 1 }
            try digits()
        }
    }

    @inline(__always)
    private mutating func digits() throws(JSONFault) {
        let start = at
        while at < bytes.count, bytes[at] &- 0x30 <= 9 { at += 1 }
        if at == start { throw malformed }
    }
}
