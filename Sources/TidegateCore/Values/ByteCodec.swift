/// Appends little-endian numbers, variable-length numbers and counted bytes to an array. The writing half of our own
/// binary formats (outbox frames, records, log objects).
package struct ByteWriter: Sendable {
    package private(set) var bytes: [UInt8]

    package init(capacity: Int = 0) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    package mutating func fixed(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// LEB128: seven bits a byte, least significant first.
    package mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    package mutating func raw(_ content: some Collection<UInt8>) { bytes.append(contentsOf: content) }

    /// A `varint` length, then the bytes.
    package mutating func counted(_ content: some Collection<UInt8>) {
        varint(UInt64(content.count))
        bytes.append(contentsOf: content)
    }

    package mutating func overwrite(_ value: some FixedWidthInteger, at offset: Int) {
        withUnsafeBytes(of: value.littleEndian) { source in
            for (index, byte) in source.enumerated() { bytes[offset + index] = byte }
        }
    }

    package consuming func finish() -> [UInt8] { bytes }
}

/// Reads what `ByteWriter` wrote. Every read checks its bounds: input from a disk or a peer is never trusted.
package struct ByteReader: Sendable {
    private var rest: ArraySlice<UInt8>

    package init(_ bytes: ArraySlice<UInt8>) { rest = bytes }
    package init(_ bytes: [UInt8]) { rest = bytes[...] }

    package var isAtEnd: Bool { rest.isEmpty }
    package var remaining: Int { rest.count }

    package mutating func fixed<Value: FixedWidthInteger>(_: Value.Type = Value.self) throws(TidegateError) -> Value {
        let size = MemoryLayout<Value>.size
        let value = try take(size).withUnsafeBytes { $0.loadUnaligned(as: Value.self) }
        return Value(littleEndian: value)
    }

    package mutating func varint() throws(TidegateError) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: 0, to: 70, by: 7) {
            guard let byte = rest.popFirst() else { throw Self.truncated }
            let part = UInt64(byte & 0x7F)
            guard shift < 63 || part <= 1 else { break }
            value |= part << UInt64(shift)
            if byte < 0x80 { return value }
        }
        throw TidegateError(.corrupt, "A number in the data is longer than 64 bits.")
    }

    /// A `varint` that must fit the `Int` range and `max`.
    package mutating func length(max: Int = .max) throws(TidegateError) -> Int {
        guard let value = Int(exactly: try varint()), value <= max else {
            throw TidegateError(.corrupt, "A length in the data is out of range.")
        }
        return value
    }

    /// Shares storage with the input.
    package mutating func take(_ count: Int) throws(TidegateError) -> ArraySlice<UInt8> {
        guard count >= 0, rest.count >= count else { throw Self.truncated }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    package mutating func counted() throws(TidegateError) -> ArraySlice<UInt8> { try take(try length()) }

    package mutating func string() throws(TidegateError) -> String {
        String(decoding: try counted(), as: UTF8.self)
    }

    private static var truncated: TidegateError { TidegateError(.corrupt, "The data ends in the middle of a value.") }
}
