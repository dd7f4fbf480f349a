/// What a document holds at one path: its kind and where its bytes lie. Cheap to make; text and numbers are read on request
/// from the same bytes that were scanned.
package struct FieldValue: Equatable, Sendable {
    package enum Kind: UInt8, Sendable {
        case absent, null, `true`, `false`, number, string, array, object
    }

    package var kind: Kind = .absent
    /// Whether a string has `\` escapes, so that its bytes are not its text.
    package var hasEscapes = false
    /// The value's own bytes in the scanned document; those of a string include its quotes.
    package var range: Range<Int> = 0..<0

    package init() {}
    package init(kind: Kind, hasEscapes: Bool = false, range: Range<Int>) {
        self.kind = kind
        self.hasEscapes = hasEscapes
        self.range = range
    }

    package var bool: Bool? {
        switch kind {
        case .true: true
        case .false: false
        default: nil
        }
    }

    /// The text of a string, escapes resolved; `nil` for other kinds.
    package func string(in bytes: UnsafeRawBufferPointer) -> String? {
        guard kind == .string else { return nil }
        let content = UnsafeRawBufferPointer(rebasing: bytes[range.lowerBound + 1..<range.upperBound - 1])
        return hasEscapes
            ? String(decoding: JSONText.unescaped(content), as: UTF8.self)
            : String(decoding: content, as: UTF8.self)
    }

    /// A whole number, also when it is written `12.0` or `1.2e1`; `nil` for fractions, other kinds, and what exceeds 64 bits.
    package func integer(in bytes: UnsafeRawBufferPointer) -> Int64? {
        guard kind == .number else { return nil }
        var value: Int64 = 0
        var digits = range
        let isNegative = bytes[digits.lowerBound] == UInt8(ascii: "-")
        if isNegative { digits = digits.lowerBound + 1..<digits.upperBound }
        for index in digits {
            let digit = Int64(bytes[index]) - 0x30
            guard digit >= 0, digit <= 9 else { return number(in: bytes).flatMap { Int64(exactly: $0) } }
            let (shifted, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) =
                isNegative
                ? shifted.subtractingReportingOverflow(digit) : shifted.addingReportingOverflow(digit)
            if overflow || carry { return nil }
            value = sum
        }
        return value
    }

    /// A number as the nearest double; `nil` for other kinds and for what is too large to be finite.
    package func number(in bytes: UnsafeRawBufferPointer) -> Double? {
        guard kind == .number, let value = Double(String(decoding: bytes[range], as: UTF8.self)), value.isFinite else {
            return nil
        }
        return value
    }
}
