import Testing
import TidegateCore
import TidegateTestKit

@Suite("Byte codec and checksum")
struct ByteCodecTests {
    @Test("numbers and bytes come back as they went in")
    func roundTrip() throws {
        var generator = SeededGenerator(seed: 1)
        for _ in 0..<300 {
            let number = generator.next() >> UInt64.random(in: 0..<64, using: &generator)
            let fixed = Int32(truncatingIfNeeded: generator.next())
            let bytes = (0..<Int.random(in: 0..<40, using: &generator)).map { _ in
                UInt8(truncatingIfNeeded: generator.next())
            }
            var writer = ByteWriter()
            writer.varint(number)
            writer.fixed(fixed)
            writer.counted(bytes)
            var reader = ByteReader(writer.finish())
            #expect(try reader.varint() == number)
            #expect(try reader.fixed(Int32.self) == fixed)
            #expect(Array(try reader.counted()) == bytes)
            #expect(reader.isAtEnd)
        }
    }

    @Test(
        "a number that is cut off or longer than 64 bits is an error",
        arguments: [
            [], [0x80], [UInt8](repeating: 0xFF, count: 9), [UInt8](repeating: 0xFF, count: 11),
            [UInt8](repeating: 0x80, count: 9) + [0x02],
        ])
    func badVarint(bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        #expect(throws: TidegateError.self) { try reader.varint() }
    }

    @Test("the checksum is CRC-32C, at any length and split")
    func checksum() {
        // Check values of RFC 3720 §B.4.
        #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(CRC32C.checksum([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(CRC32C.checksum(Array(UInt8(0)..<32)) == 0x46DD_794E)
        #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xE306_9283)
        let bytes = (0..<100).map { UInt8($0 * 7 & 0xFF) }
        for split in 0...bytes.count {
            var crc = CRC32C()
            bytes[..<split].withUnsafeBytes { crc.update($0) }
            bytes[split...].withUnsafeBytes { crc.update($0) }
            #expect(crc.value == CRC32C.checksum(bytes))
        }
    }
}
