import Foundation
import Testing
import TidegateCore
import TidegateEngines
import TidegateTestKit

@Suite("An outbox after a crash", .timeLimit(.minutes(2)))
struct OutboxCrashTests {
    /// Cuts of the file: at each frame's start, one byte behind it, in its head and in its body.
    private static func cuts(_ file: [UInt8]) -> [(bytes: Int, completions: Int, intents: Int)] {
        var cuts: [(bytes: Int, completions: Int, intents: Int)] = []
        var offset = 0
        var (completions, intents) = (0, 0)
        while offset < file.count,
            let frame = file[offset...].withUnsafeBytes({ OutboxFrame.read($0) })
        {
            for cut in [0, 1, OutboxFrame.headBytes / 2, OutboxFrame.headBytes, frame.bytes - 1] where cut < frame.bytes
            {
                cuts.append((offset + cut, completions, intents))
            }
            if frame.kind == .completion { completions += 1 }
            if frame.kind == .intent { intents += 1 }
            offset += frame.bytes
        }
        return cuts
    }

    @Test("wherever the file was cut, whole rows are there once and open calls are aborted")
    func tornTails() async throws {
        let origin = try TemporaryDirectory()
        let outbox = try OutboxFixture.open(origin.path)
        try OutboxFixture.capture(outbox, 1...6)
        outbox.close()
        let name = try #require(try OutboxFixture.files(origin.path).segments.last)
        let file = [UInt8](try #require(FileManager.default.contents(atPath: name)))
        let copy = try TemporaryDirectory()
        for (bytes, completions, intents) in Self.cuts(file) where bytes > 0 {
            try copy.copy(origin.path)
            let files = try OutboxFixture.files(copy.path)
            try Data(file.prefix(bytes)).write(to: URL(fileURLWithPath: files.segments[0]))
            try? FileManager.default.removeItem(atPath: files.stream + "/cursor")
            for opening in 0..<2 {
                let again = try OutboxFixture.open(copy.path)
                defer { again.close() }
                #expect(again.statistics.pending == UInt64(intents), "cut at \(bytes), opening \(opening)")
                let found = try await OutboxFixture.drain(again, count: intents)
                #expect(found.map(\.sequence) == (0..<intents).map { UInt64($0 + 1) })
                #expect(
                    found.prefix(completions).map(\.record) == (0..<completions).map { OutboxFixture.record($0 + 1) })
                #expect(found.dropFirst(completions).allSatisfy { $0.record.outcome == .aborted })
            }
        }
    }

    @Test(
        "a damaged file loses only what is damaged, says so, and keeps every other number",
        arguments: 1...12 as ClosedRange<UInt64>)
    func damage(seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed)
        let directory = try TemporaryDirectory()
        let outbox = try OutboxFixture.open(directory.path)
        try OutboxFixture.capture(outbox, 1...100, body: 2_000)
        outbox.close()
        let files = try OutboxFixture.files(directory.path)
        #expect(files.segments.count >= 3)
        let name = files.segments[Int.random(in: 0..<files.segments.count, using: &random)]
        var bytes = [UInt8](try #require(FileManager.default.contents(atPath: name)))
        let place = Int.random(in: 400..<(bytes.count - 4_000), using: &random)
        for index in place..<(place + Int.random(in: 1...300, using: &random)) { bytes[index] ^= 0x5A }
        try Data(bytes).write(to: URL(fileURLWithPath: name))

        let again = try OutboxFixture.open(directory.path)
        defer { again.close() }
        let found = try await OutboxFixture.drain(again, count: 100)
        #expect(found.map(\.sequence) == (1...100).map { UInt64($0) })
        let damaged = found.filter { $0.record != OutboxFixture.record(Int($0.sequence), body: 2_000) }
        #expect(damaged.count <= 2 && damaged.allSatisfy { $0.record.outcome == .aborted })
        #expect(FileManager.default.fileExists(atPath: name + ".corrupt"))
        try OutboxFixture.capture(again, 101...101)
        let captured = Int(again.statistics.pending)  // an intent whose completion is damaged makes a row of its own
        let last = try await OutboxFixture.drain(again, count: captured).last
        #expect((101...103).contains(captured) && last?.sequence == UInt64(captured))
        #expect(last?.record == OutboxFixture.record(101))
    }

    @Test("seeded lives of an outbox lose, double and reorder nothing", arguments: 1...8 as ClosedRange<UInt64>)
    func histories(seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed)
        let directory = try TemporaryDirectory()
        var settings = OutboxFixture.small
        settings.memoryBytesMax = seed % 2 == 0 ? 0 : 20_000
        var written: [GatewayUID: Int] = [:]
        var owner: [GatewayUID: UInt64] = [:]  // what the owner has committed, per gateway
        let gateways = (1...3).map { GatewayUID(bits: UInt128($0)) }
        for life in 0..<6 {
            let outbox = try OutboxFixture.open(directory.path, settings)
            for _ in 0..<40 {
                let gateway = gateways.randomElement(using: &random)!
                let count = Int.random(in: 1...6, using: &random)
                let from = written[gateway, default: 0]
                try OutboxFixture.capture(outbox, (from + 1)...(from + count), gateway, body: 1_500)
                written[gateway] = from + count
                guard Bool.random(using: &random),
                    let batch = try await outbox.records(of: gateway, from: nil, recordsMax: 9, bytesMax: 20_000)
                else { continue }
                for (index, bytes) in batch.records.enumerated() {
                    let sequence = batch.firstSequence + UInt64(index)
                    let record = try LogRecord(encoded: bytes)
                    #expect(record == OutboxFixture.record(Int(sequence), gateway, body: 1_500), "life \(life)")
                    #expect(sequence <= owner[gateway, default: 0] + 1)
                    owner[gateway] = max(owner[gateway, default: 0], sequence)
                }
                if Bool.random(using: &random) {
                    outbox.acknowledge(gateway, through: batch.firstSequence + UInt64(batch.records.count) - 1)
                }
            }
            outbox.close()
            if Int.random(in: 0..<3, using: &random) == 0 {
                try? FileManager.default.removeItem(atPath: try OutboxFixture.files(directory.path).stream + "/cursor")
            }
        }
        let outbox = try OutboxFixture.open(directory.path, settings)
        defer { outbox.close() }
        for gateway in gateways {
            let last = written[gateway, default: 0]
            var next = owner[gateway, default: 0] + 1
            while next <= UInt64(last) {
                let batch = try #require(
                    try await outbox.records(of: gateway, from: next, recordsMax: 100, bytesMax: 1 << 20))
                #expect(batch.firstSequence == next)
                next += UInt64(batch.records.count)
            }
            #expect(next == UInt64(last) + 1)
        }
    }
}
