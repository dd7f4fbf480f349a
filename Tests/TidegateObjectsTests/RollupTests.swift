import Foundation
import Testing
import TidegateCore
import TidegateObjects

@Suite("Sums over traffic", .serialized)
struct RollupTests {
    let fixture = DatabaseFixture()
    private static let hourMs: Int64 = 3_600_000

    private func entry(_ index: Int, atMs: Int64, _ seed: inout DatabaseSeed) -> (LogRecord, CommittedEntry) {
        var record = DatabaseFixture.record(&seed, index)
        record.startedAtMs = atMs
        record.id = RecordID(milliseconds: atMs, random: &seed)
        let n = LogIndex(index + 1)
        return (
            record,
            CommittedEntry(
                lsn: LSN(n: n, index: 0),
                entry: .record(
                    stream: DatabaseFixture.stream, sequence: n, id: record.id, receivedAtMs: atMs,
                    payload: record.encoded()[...]))
        )
    }

    @Test("are those of the rows, by step and group; minutes go after three days and hours stay", arguments: [1, 2])
    func sums(start: UInt64) async throws {
        var seed = DatabaseSeed(state: start)
        let log = try await fixture.open("sums\(start)")
        let base = DatabaseFixture.baseMs / Self.hourMs * Self.hourMs
        var records: [LogRecord] = []
        var at = base
        for index in 0..<400 {
            at += Int64.random(in: 0..<3_000_000, using: &seed)
            let (record, entry) = entry(index, atMs: at, &seed)
            records.append(record)
            _ = try await log.apply(n: entry.lsn.n, epoch: 1, [entry])
        }
        for groups in [[], [AnalyticsQuery.Group.model], [.provider, .model]] {
            for step in AnalyticsQuery.Step.allCases {
                var query = AnalyticsQuery(fromMs: base + 20 * Self.hourMs, toMs: at + 1)
                if step == .minute { query.fromMs = at - 10 * Self.hourMs }
                (query.step, query.groups) = (step, groups)
                let stepMs: Int64 = step == .minute ? 60_000 : Self.hourMs
                let from = query.fromMs / stepMs * stepMs
                let expected = records.filter { $0.startedAtMs >= from }
                let found = try await log.analytics(query).rows
                #expect(found.reduce(0) { $0 + $1.requests } == Int64(expected.count))
                #expect(found.reduce(0) { $0 + $1.errors } == Int64(expected.count { !$0.isSuccess }))
                #expect(found.reduce(0) { $0 + $1.cached } == Int64(expected.count { $0.flags.contains(.cached) }))
                #expect(found.reduce(0) { $0 + $1.tokensIn } == expected.reduce(0) { $0 + ($1.usage?.input ?? 0) })
                #expect(found.reduce(0) { $0 + $1.tokensOut } == expected.reduce(0) { $0 + ($1.usage?.output ?? 0) })
                #expect(
                    found.reduce(0) { $0 + $1.cost.rawValue } == expected.reduce(0) { $0 + ($1.cost?.rawValue ?? 0) })
                #expect(found.reduce(0) { $0 + $1.durationSumMs } == expected.reduce(0) { $0 + Int64($1.durationMs) })
                #expect(found.reduce(0) { $0 + $1.latencySumMs } == expected.reduce(0) { $0 + Int64($1.latencyMs) })
                let keys = expected.map { record in
                    (step == .none ? "" : "\(record.startedAtMs / stepMs * stepMs)")
                        + (groups.contains(.provider) ? "|" + record.provider : "")
                        + (groups.contains(.model)
                            ? "|" + record.model.unicodeScalars.map { "\($0.value)" }.joined() : "")
                }
                #expect(found.count == Set(keys).count)
            }
        }
        var old = AnalyticsQuery(fromMs: base, toMs: at - 73 * Self.hourMs)
        old.step = .minute
        #expect(try await log.analytics(old).rows.isEmpty)
        old.step = .hour
        #expect(try await log.analytics(old).rows.isEmpty == false)
        await log.close()
    }
}
