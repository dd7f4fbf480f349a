import Testing
import TidegateCore
import TidegateTestKit

@Suite("Frames of the outbox")
struct OutboxFrameTests {
    private static func frame(_ random: inout SeededGenerator, body: Int) -> (OutboxFrame, [UInt8]) {
        var frame = OutboxFrame(.completion)
        frame.intent = random.next()
        frame.sequence = random.next()
        frame.gateway = GatewayUID(random: &random)
        frame.id = RecordID(random: &random)
        let body = random.bytes(body)
        frame.bodyBytes = body.count
        frame.bodyChecksum = CRC32C.checksum(body)
        return (frame, frame.bytes(body: body))
    }

    private static func read(_ bytes: some Sequence<UInt8>) -> OutboxFrame? {
        Array(bytes).withUnsafeBytes { OutboxFrame.read($0) }
    }

    @Test("a frame is read as it was written, whatever follows", arguments: [0, 1, 71, 72, 2_000])
    func roundTrip(body: Int) {
        var random = SeededGenerator(seed: UInt64(body))
        let (frame, bytes) = Self.frame(&random, body: body)
        #expect(Self.read(bytes) == frame)
        #expect(Self.read(bytes + random.bytes(33)) == frame)
    }

    @Test("a frame that was cut is no frame")
    func truncation() {
        var random = SeededGenerator(seed: 1)
        let (_, bytes) = Self.frame(&random, body: 60)
        for count in 0..<bytes.count { #expect(Self.read(bytes.prefix(count)) == nil) }
    }

    @Test("one flipped bit is noticed wherever it is")
    func bitFlips() {
        var random = SeededGenerator(seed: 2)
        let (_, bytes) = Self.frame(&random, body: 40)
        for bit in 0..<(bytes.count * 8) {
            var damaged = bytes
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(Self.read(damaged) == nil, "bit \(bit)")
        }
    }

    @Test("random bytes are neither a frame nor a trap")
    func noise() {
        var random = SeededGenerator(seed: 3)
        for _ in 0..<2_000 {
            var bytes = random.bytes(Int.random(in: 0..<200, using: &random))
            if bytes.count > 5 { bytes.replaceSubrange(0..<6, with: [0x54, 0x47, 0x4F, 0x42, 3, 1]) }
            #expect(Self.read(bytes) == nil)
            _ = try? OutboxCounters(encoded: bytes[...])
        }
    }

    @Test("counters are read as they were written, and not when cut")
    func counters() throws {
        var random = SeededGenerator(seed: 4)
        let counters = OutboxCounters(
            stream: StreamID(random: &random), nextIntent: 7,
            lanes: (0..<5).map { _ in
                .init(gateway: GatewayUID(random: &random), last: random.next(), acknowledged: 3, base: 2)
            })
        let bytes = counters.encoded()
        #expect(try OutboxCounters(encoded: bytes[...]) == counters)
        for count in 0..<bytes.count {
            #expect(throws: TidegateError.self) { try OutboxCounters(encoded: bytes.prefix(count)) }
        }
    }
}
