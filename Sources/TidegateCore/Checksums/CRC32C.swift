/// CRC-32C (Castagnoli polynomial 0x1EDC6F41, reflected), the checksum of our frames and log objects (RFC 3720 §B.4).
package struct CRC32C: Sendable {
    private var state: UInt32 = .max

    package init() {}

    package var value: UInt32 { ~state }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        var crc = state
        Self.tables.withUnsafeBufferPointer { tables in
            var offset = 0
            while bytes.count - offset >= 8 {
                let word =
                    UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) ^ UInt64(crc)
                var folded: UInt32 = 0
                for lane in 0..<8 {
                    folded ^= tables[(7 - lane) << 8 | Int(truncatingIfNeeded: word >> UInt64(lane << 3)) & 0xFF]
                }
                crc = folded
                offset += 8
            }
            while offset < bytes.count {
                crc = crc >> 8 ^ tables[Int(truncatingIfNeeded: crc ^ UInt32(bytes[offset])) & 0xFF]
                offset += 1
            }
        }
        state = crc
    }

    package static func checksum(_ bytes: some ContiguousBytesCollection) -> UInt32 {
        var crc = CRC32C()
        bytes.withUnsafeBytes { crc.update($0) }
        return crc.value
    }

    /// Slicing-by-8: table `k` advances a byte over `k` further zero bytes.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for index in 0..<256 {
            var crc = UInt32(index)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0x82F6_3B78 : crc >> 1 }
            tables[index] = crc
        }
        for index in 256..<tables.count {
            let previous = tables[index - 256]
            tables[index] = previous >> 8 ^ tables[Int(previous & 0xFF)]
        }
        return tables
    }()
}

/// Bytes that lie side by side in memory.
package protocol ContiguousBytesCollection {
    func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result
}
extension [UInt8]: ContiguousBytesCollection {}
extension ArraySlice<UInt8>: ContiguousBytesCollection {}
extension UnsafeRawBufferPointer: ContiguousBytesCollection {
    package func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try body(self)
    }
}
