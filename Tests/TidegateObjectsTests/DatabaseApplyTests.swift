import Foundation
import Testing
import TidegateCore
import TidegateObjects

@Suite("A gateway's database", .serialized)
struct DatabaseApplyTests {
    let fixture = DatabaseFixture()

    @Test("a row comes back whole, with its bodies")
    func roundTrip() async throws {
        let log = try await fixture.open()
        var seed = DatabaseSeed(state: 1)
        let records = (1...200).map { DatabaseFixture.record(&seed, $0) }
        let entries = records.enumerated().map {
            DatabaseFixture.entry($1, n: 1, index: $0, sequence: UInt64($0 + 1))
        }
        #expect(try await log.apply(n: 1, epoch: 4, entries) == 200)
        for record in records {
            let row = try #require(try await log.log(record.id))
            var bare = record
            (bare.requestBody, bare.responseBody) = ([], [])
            #expect(row.record == bare)
            #expect(row.keptRequestBytes == record.requestBody.count)
            #expect(row.requestHead ?? [] == Array(record.requestBody))
            #expect(try await log.body(.request, of: record.id)?.bytes ?? [] == Array(record.requestBody))
            #expect(try await log.body(.response, of: record.id)?.bytes ?? [] == Array(record.responseBody))
            #expect(try await log.contains(record.id))
        }
        #expect(try await log.log(RecordID(bits: 9)) == nil)
        #expect(try await log.oldest(3) == LSN(n: 1, index: 2).rawValue)
        #expect(try await log.oldest(999) == LSN(n: 1, index: 199).rawValue)
        await log.close()
    }

    @Test("bodies stay readable when their neighbours in a block go", arguments: [UInt64(1), 2])
    func neighbours(seed: UInt64) async throws {
        let log = try await fixture.open()
        var seed = DatabaseSeed(state: seed)
        var kept: [(lsn: LSN, record: LogRecord)] = []
        for n in 1...3 as ClosedRange<LogIndex> {
            let entries = (0..<200).map { index in
                var record = DatabaseFixture.record(&seed, Int(n) * 200 + index)
                // Some fill a block alone.
                if index % 50 == 7 { record.requestBody = Array(repeating: 67, count: 255 << 10)[...] }
                kept.append((LSN(n: n, index: index), record))
                return DatabaseFixture.entry(record, n: n, index: index, sequence: n * 200 + UInt64(index))
            }
            _ = try await log.apply(n: n, epoch: 1, entries)
        }
        let removed = Set((0..<150).map { _ in seed.pick(kept).lsn.rawValue })
        let end = LSN(n: 1, index: 99).rawValue
        let entries = [GatewayEntry.delete(lsns: removed.shuffled(using: &seed)), .evict(through: end)]
        let live = try await log.apply(
            n: 4, epoch: 1, entries.enumerated().map { CommittedEntry(lsn: LSN(n: 4, index: $0), entry: $1) })
        let gone = kept.filter { removed.contains($0.lsn.rawValue) || $0.lsn.rawValue <= end }
        kept.removeAll { removed.contains($0.lsn.rawValue) || $0.lsn.rawValue <= end }
        #expect(live == kept.count)
        for (_, record) in kept {
            #expect(try await log.body(.request, of: record.id)?.bytes ?? [] == Array(record.requestBody))
            #expect(try await log.body(.response, of: record.id)?.bytes ?? [] == Array(record.responseBody))
        }
        for (_, record) in gone { #expect(try await log.body(.request, of: record.id) == nil) }
        await log.close()
    }

    @Test("replaying gives the same content, whatever was replayed twice", arguments: [UInt64(1), 2, 3])
    func replay(seed: UInt64) async throws {
        let history = DatabaseFixture.history(seed: seed, rows: 600)
        let first = try await fixture.open("first")
        let second = try await fixture.open("second")
        for (index, entries) in history.enumerated() {
            let live = try await first.apply(n: LogIndex(index + 1), epoch: 1, entries)
            #expect(try await first.apply(n: LogIndex(index + 1), epoch: 1, entries) == live)
        }
        let all = history.flatMap { $0 }
        _ = try await second.apply(n: LogIndex(history.count), epoch: 1, all)
        #expect(try await first.contentHash() == second.contentHash())
        #expect(try await first.state() == second.state())
        let counted = try await first.logs(LogQuery()).totalCount
        var query = LogQuery()
        query.filters = [LogFilter(key: .step, operator: .lt, values: [.number(99)])]
        #expect(try await first.logs(query).totalCount == counted)
        let before = try await first.contentHash()
        let one = CommittedEntry(lsn: LSN(n: 10_000, index: 0), entry: .evict(through: LSN(n: 3, index: 0).rawValue))
        _ = try await first.apply(n: 10_000, epoch: 1, [one])
        _ = try await second.apply(n: 10_000, epoch: 1, [one])
        #expect(try await first.contentHash() != before)
        #expect(try await first.contentHash() == second.contentHash())
        await first.close()
        await second.close()
    }

    @Test("an edit counts whether it comes before or after its row, and the last one holds")
    func edits() async throws {
        let log = try await fixture.open()
        var seed = DatabaseSeed(state: 5)
        let record = DatabaseFixture.record(&seed, 1)
        func edit(_ n: LogIndex, _ patch: LogPatch) async throws {
            let entry = GatewayEntry.edit(id: record.id, patch: patch, atMs: DatabaseFixture.baseMs)
            _ = try await log.apply(n: n, epoch: 1, [CommittedEntry(lsn: LSN(n: n, index: 0), entry: entry)])
        }
        try await edit(1, LogPatch(feedback: 1, score: 7))
        try await edit(2, LogPatch(feedback: -1))
        #expect(try await log.contains(record.id) == false)
        _ = try await log.apply(n: 3, epoch: 1, [DatabaseFixture.entry(record, n: 3, index: 0, sequence: 1)])
        #expect(try await log.log(record.id)?.feedback == -1)
        #expect(try await log.log(record.id)?.score == 7)
        try await edit(4, LogPatch(score: .some(nil), metadata: "{\"a\":1}"))
        let row = try #require(try await log.log(record.id))
        #expect(row.score == nil && row.feedback == -1 && row.metadata == "{\"a\":1}")
        #expect(row.record.metadata == record.metadata)
        await log.close()
    }

    @Test("delete, evict and the gateway's end remove rows, and only those")
    func removals() async throws {
        let log = try await fixture.open()
        var seed = DatabaseSeed(state: 6)
        let records = (1...10).map { DatabaseFixture.record(&seed, $0) }
        let entries = records.enumerated().map {
            DatabaseFixture.entry($1, n: 1, index: $0, sequence: UInt64($0 + 1))
        }
        _ = try await log.apply(n: 1, epoch: 1, entries)
        func apply(_ n: LogIndex, _ entry: GatewayEntry) async throws -> Int64 {
            try await log.apply(n: n, epoch: 1, [CommittedEntry(lsn: LSN(n: n, index: 0), entry: entry)])
        }
        #expect(try await apply(2, .delete(lsns: [entries[4].lsn.rawValue, 12, entries[4].lsn.rawValue])) == 9)
        #expect(try await apply(3, .evict(through: entries[1].lsn.rawValue)) == 7)
        #expect(try await log.contains(records[1].id) == false)
        #expect(try await log.contains(records[2].id))
        #expect(try await log.state().streams[DatabaseFixture.stream]?.sequence == 10)
        #expect(try await apply(4, .gatewayDeleted) == 0)
        #expect(try await log.state() == GatewayState(appliedN: 4, isDeleted: true))
        #expect(try await log.apply(n: 5, epoch: 1, entries) == 0)
        await log.close()
    }

    @Test("any bytes are applied; what is no row, or comes twice, is set aside", arguments: [UInt64(11), 12])
    func quarantine(seed: UInt64) async throws {
        let log = try await fixture.open()
        var seed = DatabaseSeed(state: seed)
        let good = DatabaseFixture.record(&seed, 1)
        let bytes = good.encoded()
        var entries = [DatabaseFixture.entry(good, n: 1, index: 0, sequence: 1)]
        for index in 1...2_000 {
            var payload = bytes
            for _ in 0..<Int.random(in: 0...4, using: &seed) {
                payload[Int.random(in: 0..<payload.count, using: &seed)] = .random(in: 0...255, using: &seed)
            }
            payload = Array(payload.prefix(.random(in: 0...payload.count, using: &seed)))
            entries.append(
                CommittedEntry(
                    lsn: LSN(n: 1, index: index),
                    entry: .record(
                        stream: DatabaseFixture.stream, sequence: UInt64(index + 1), id: good.id,
                        receivedAtMs: seed.pick([.min, .max, 0]), payload: payload[...])))
        }
        #expect(try await log.apply(n: 1, epoch: 1, entries) == 1)
        #expect(try await log.state().streams[DatabaseFixture.stream]?.sequence == 2_001)
        await log.close()
    }

    @Test("a file is kept within a start of the machine and dropped after it")
    func bootID() async throws {
        var seed = DatabaseSeed(state: 8)
        let record = DatabaseFixture.record(&seed, 1)
        for (boot, found) in [("x", LogIndex(0)), ("x", 7), ("y", 0), ("y", 7)] {
            let databases = fixture.databases(bootID: boot)
            let log = try await databases.open(DatabaseFixture.gateway, slot: DatabaseFixture.slot, from: nil)
            #expect(try await log.state().appliedN == found)
            _ = try await log.apply(n: 7, epoch: 1, [DatabaseFixture.entry(record, n: 7, index: 0, sequence: 1)])
            await log.close()
        }
        let databases = fixture.databases(bootID: "y")
        let log = try await databases.open(DatabaseFixture.gateway, slot: DatabaseFixture.slot, from: nil)
        try await log.destroy()
        let again = try await databases.open(DatabaseFixture.gateway, slot: DatabaseFixture.slot, from: nil)
        #expect(try await again.state() == GatewayState())
        await databases.closeAll()
    }

    @Test("more databases than connections all stay usable")
    func manyDatabases() async throws {
        let databases = fixture.databases(connectedMax: 2)
        var logs: [any GatewayStorage] = []
        for index in 0..<6 {
            logs.append(
                try await databases.open(GatewayUID(bits: UInt128(index + 1)), slot: DatabaseFixture.slot, from: nil))
        }
        for round in 1...3 {
            for log in logs { _ = try await log.apply(n: LogIndex(round), epoch: 1, []) }
            #expect(databases.connectedCount <= 2)
        }
        for log in logs { #expect(try await log.state().appliedN == 3) }
        await databases.closeAll()
        await #expect(throws: TidegateError.self) { try await logs[0].state() }
    }

    @Test("readers see whole log objects while others are applied")
    func concurrentReaders() async throws {
        let log = try await fixture.open()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<2 {
                group.addTask {
                    for _ in 0..<60 {
                        let page = try await log.logs(LogQuery())
                        #expect(page.totalCount % 10 == 0)
                        #expect(page.rows.count == min(20, Int(page.totalCount)))
                    }
                }
            }
            var seed = DatabaseSeed(state: 9)
            for n in LogIndex(1)...80 {
                let entries = (0..<10).map { index in
                    DatabaseFixture.entry(
                        DatabaseFixture.record(&seed, Int(n) * 10 + index), n: n, index: index,
                        sequence: (n - 1) * 10 + UInt64(index) + 1)
                }
                #expect(try await log.apply(n: n, epoch: 1, entries) == Int64(n) * 10)
            }
            try await group.waitForAll()
        }
        await log.close()
    }

    @Test("insert cost", .enabled(if: ProcessInfo.processInfo.environment["TIDEGATE_MEASURE"] != nil))
    func insertCost() async throws {
        let log = try await fixture.open()
        var seed = DatabaseSeed(state: 9)
        let words = ["the ", "model ", "answers ", "\"role\":", "tokens ", "gateway ", "user "]
        var objects: [[CommittedEntry]] = []
        for n in LogIndex(1)...100 {
            objects.append(
                (0..<200).map { index in
                    var record = DatabaseFixture.record(&seed, Int(n) * 200 + index)
                    let text = (0..<300).map { _ in seed.pick(words) }.joined().utf8
                    record.requestBody = Array(text.prefix(1_000))[...]
                    record.responseBody = Array(text.dropFirst(1_000).prefix(600))[...]
                    return DatabaseFixture.entry(
                        record, n: n, index: index, sequence: (n - 1) * 200 + UInt64(index) + 1)
                })
        }
        let start = clock()
        for (index, entries) in objects.enumerated() {
            _ = try await log.apply(n: LogIndex(index + 1), epoch: 1, entries)
        }
        print("insert cost: \(Double(clock() - start) / Double(CLOCKS_PER_SEC) / 20_000 * 1e6) µs of CPU a row")
        await log.close()
    }
}
