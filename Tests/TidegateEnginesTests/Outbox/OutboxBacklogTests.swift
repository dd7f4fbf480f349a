import Foundation
import Testing
import TidegateCore
import TidegateEngines
import TidegateTestKit

@Suite("A large backlog", .timeLimit(.minutes(1)))
struct OutboxBacklogTests {
    @Test("draining it costs the same per record from first to last, and leaves one file")
    func drains() async throws {
        let directory = try TemporaryDirectory()
        var settings = OutboxFixture.small
        settings.segmentBytes = 8 << 20
        settings.memoryBytesMax = 1 << 20
        let outbox = try OutboxFixture.open(directory.path, settings)
        defer { outbox.close() }
        let clock = ContinuousClock()
        let started = clock.now
        try OutboxFixture.capture(outbox, 1...20_000, body: 1_600)
        let captured = clock.now
        var next: UInt64 = 1
        while next <= 20_000 {
            guard
                let batch = try await outbox.records(
                    of: OutboxFixture.gateway, from: next, recordsMax: 500, bytesMax: 1 << 20)
            else {
                await outbox.waitForRecords()
                continue
            }
            #expect(batch.firstSequence == next)
            next += UInt64(batch.records.count)
            outbox.acknowledge(OutboxFixture.gateway, through: next - 1)
        }
        print("capture \((captured - started) / 20_000) a record, drain \((clock.now - captured) / 20_000) a record")
        while try OutboxFixture.files(directory.path).segments.count > 1 { await Task.yield() }
        #expect(outbox.statistics.pending == 0 && outbox.statistics.captured == 20_000)
    }
}
