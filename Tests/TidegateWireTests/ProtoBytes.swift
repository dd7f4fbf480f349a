/// Writes protobuf by hand: what nodes of other versions send, without their schema.
struct ProtoBytes {
    private(set) var bytes: [UInt8] = []

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    mutating func number(_ field: UInt64, _ value: UInt64) {
        varint(field << 3)
        varint(value)
    }
    mutating func bytes(_ field: UInt64, _ content: [UInt8]) {
        varint(field << 3 | 2)
        varint(UInt64(content.count))
        bytes += content
    }
    mutating func text(_ field: UInt64, _ content: String) { bytes(field, Array(content.utf8)) }
    mutating func message(_ field: UInt64, _ fill: (inout ProtoBytes) -> Void) { bytes(field, Self.message(fill)) }

    static func message(_ fill: (inout ProtoBytes) -> Void) -> [UInt8] {
        var inner = ProtoBytes()
        fill(&inner)
        return inner.bytes
    }
}
