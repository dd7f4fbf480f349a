import Testing
import TidegateCore
import TidegateTestKit

@Suite("Record codec")
struct LogRecordCodecTests {
    @Test("a record survives its bytes", arguments: UInt64(0)..<50)
    func roundTrip(seed: UInt64) throws {
        let record = Self.record(seed: seed)
        #expect(try LogRecord(encoded: record.encoded()[...]) == record)
    }

    @Test("a field of a newer build is skipped")
    func unknownField() throws {
        let record = Self.record(seed: 3)
        let bytes = record.encoded() + [250, 3, 1, 2, 3]
        #expect(try LogRecord(encoded: bytes[...]) == record)
    }

    @Test("damaged bytes give a record or an error, never a trap, and names alone agree", arguments: UInt64(0)..<20)
    func damaged(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let whole = Self.record(seed: seed).encoded()
        for end in 0..<whole.count { agree(whole[..<end]) }
        for _ in 0..<500 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8(truncatingIfNeeded: generator.next())
            }
            agree(bytes[...])
        }
        for _ in 0..<500 {
            let noise = (0..<Int.random(in: 0..<80, using: &generator)).map { _ in
                UInt8(truncatingIfNeeded: generator.next())
            }
            agree(([1] + noise)[...])
        }
    }

    private func agree(_ bytes: ArraySlice<UInt8>) {
        let (whole, names) = (try? LogRecord(encoded: bytes), try? LogRecord.names(encoded: bytes))
        #expect(whole?.id == names?.id && whole?.gateway == names?.gateway)
    }

    @Test("a record without id or gateway, or of another version, is refused")
    func refused() {
        #expect(throws: TidegateError.self) { try LogRecord(encoded: [LogRecord.formatVersion]) }
        #expect(throws: TidegateError.self) { try LogRecord(encoded: []) }
        let other = [LogRecord.formatVersion + 1] + Self.record(seed: 1).encoded().dropFirst()
        #expect(throws: TidegateError.self) { try LogRecord(encoded: other[...]) }
    }

    static func record(seed: UInt64) -> LogRecord {
        var generator = SeededGenerator(seed: seed)
        func text(_ generator: inout SeededGenerator) -> String {
            String(
                (0..<Int.random(in: 0..<12, using: &generator)).map { _ in
                    "aé/ \"\\0☃".randomElement(using: &generator)!
                })
        }
        func bytes(_ generator: inout SeededGenerator) -> ArraySlice<UInt8> {
            (0..<Int.random(in: 0..<300, using: &generator)).map { _ in UInt8(truncatingIfNeeded: generator.next()) }[
                ...]
        }
        var record = LogRecord(
            id: RecordID(random: &generator), gateway: GatewayUID(random: &generator),
            startedAtMs: Int64(truncatingIfNeeded: generator.next()))
        record.durationMs = UInt32(truncatingIfNeeded: generator.next())
        record.latencyMs = UInt32(truncatingIfNeeded: generator.next())
        record.eventID = text(&generator)
        record.provider = text(&generator)
        record.model = text(&generator)
        record.path = text(&generator)
        record.method = text(&generator)
        record.requestType = text(&generator)
        record.requestContentType = text(&generator)
        record.responseContentType = text(&generator)
        record.userAgent = text(&generator)
        record.step = UInt32(truncatingIfNeeded: generator.next())
        record.attempts = UInt32(truncatingIfNeeded: generator.next())
        record.statusCode = UInt16(truncatingIfNeeded: generator.next())
        record.outcome = RecordOutcome.allCases.randomElement(using: &generator)!
        record.usageSource = UsageSource.allCases.randomElement(using: &generator)!
        if Bool.random(using: &generator) {
            record.usage = TokenUsage(
                inputUncached: 1, inputCacheRead: Int64.random(in: 0...9, using: &generator), inputCacheWrite: 3,
                outputText: 4, outputReasoning: .max)
            record.cost = PicoUSD(rawValue: Int64(truncatingIfNeeded: generator.next()))
        }
        record.priceVersion = text(&generator)
        record.metadata = text(&generator)
        record.flags = LogRecord.Flags(rawValue: generator.next())
        record.requestBytes = generator.next()
        record.responseBytes = generator.next()
        record.requestBody = bytes(&generator)
        record.responseBody = bytes(&generator)
        return record
    }
}
