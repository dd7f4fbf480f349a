import Foundation
import Testing
import TidegateCore
import TidegateObjects
import TidegateTestKit

@Suite("Sealed rows", .serialized)
struct SegmentTests {
    let fixture = DatabaseFixture()

    private func gateway(_ name: String, rowsMax: Int = 30, cacheBytesMax: Int64 = 1 << 30) async throws
        -> SealedGateway
    {
        let segments = fixture.segments(name, cacheBytesMax: cacheBytesMax, rowsMax: rowsMax)
        let databases = GatewayDatabases(
            folder: fixture.folder + "/" + name, bootID: "boot-1", store: fixture.store, segments: segments,
            queryLimit: .seconds(60))
        return SealedGateway(try await databases.log(DatabaseFixture.gateway, slot: DatabaseFixture.slot))
    }

    /// Rows arrive, go, change, are sealed and rewritten.
    private func step(_ gateway: SealedGateway, _ seed: inout DatabaseSeed) async throws {
        switch Int.random(in: 0..<10, using: &seed) {
        case 0..<3: try await gateway.insert(.random(in: 1...25, using: &seed), &seed)
        case 3..<6: try await gateway.disturb(&seed)
        case 6..<8:
            var inner = seed
            try await gateway.seal { if Bool.random(using: &inner) { try await gateway.disturb(&inner) } }
            seed = inner
        default:
            let known = try await gateway.log.sealingState().state.segments.map(\.key)
            guard !known.isEmpty else { return }
            let from = Int.random(in: 0..<known.count, using: &seed)
            let keys = Array(known[from..<min(known.count, from + .random(in: 1...3, using: &seed))])
            var inner = seed
            try await gateway.compact(keys) {
                if Bool.random(using: &inner) { try await gateway.disturb(&inner) }
            }
            seed = inner
        }
    }

    private func check(_ gateway: SealedGateway, _ query: LogQuery, byCursor: Bool, _ label: String) async throws {
        var query = query
        let expected = DatabaseQueryOracle.rows(query, of: gateway.shown)
        var (found, pages) = ([LSN](), 0)
        while true {
            let page = try await gateway.log.logs(query)
            #expect(page.isCountExact && !page.isPartial)
            if page.totalCount != expected.count {
                Issue.record("\(label): \(page.totalCount) of \(expected.count): \(query)")
            }
            found += page.rows.map(\.lsn)
            pages += 1
            if query.wantsMetaInfo {
                let durations = expected.map { Double($0.record.durationMs) }
                #expect(page.ranges?["duration"]?.max == durations.max())
                #expect(page.ranges?["duration"]?.min == durations.min())
            }
            for row in page.rows where pages == 1 { #expect(row == gateway.rows[row.lsn.rawValue]) }
            guard let next = page.nextCursor, pages < 300 else { break }
            query.page += byCursor ? 0 : 1
            query.cursor = byCursor ? next : nil
        }
        if found != expected.map(\.lsn) {
            Issue.record("\(label): \(query), \(found.count) of \(expected.count) rows, or in another order")
        }
        let places = try await gateway.log.matching(query, limit: 7)
        #expect(places == expected.prefix(7).map(\.lsn.rawValue))
    }

    @Test("every page over hot and sealed rows is what plain Swift finds", arguments: UInt64(201)..<206)
    func differential(start: UInt64) async throws {
        var seed = DatabaseSeed(state: start)
        // Room for a few segments only: others are fetched again and again.
        let gateway = try await gateway("d\(start)", cacheBytesMax: start % 2 == 0 ? 300_000 : 1 << 30)
        try await gateway.insert(40, &seed)
        for round in 0..<60 {
            try await step(gateway, &seed)
            guard !gateway.rows.isEmpty else {
                try await gateway.insert(30, &seed)
                continue
            }
            for _ in 0..<2 {
                let query = DatabaseQueryTests.question(&seed, gateway.shown)
                let byCursor = Bool.random(using: &seed)
                try await check(gateway, query, byCursor: byCursor, "seed \(start) round \(round)")
            }
            let row = try #require(gateway.shown.randomElement(using: &seed))
            try await check(gateway, row)
        }
        #expect(gateway.sealed > 5 && gateway.compacted > 5)
        await gateway.log.close()
    }

    private func check(_ gateway: SealedGateway, _ row: LogRow) async throws {
        let record = try #require(gateway.record(row.lsn))
        var found = try #require(try await gateway.log.log(row.record.id))
        #expect(found.requestHead ?? [] == Array(record.requestBody.prefix(4_096)))
        #expect(found.responseHead ?? [] == Array(record.responseBody.prefix(4_096)))
        (found.requestHead, found.responseHead) = (nil, nil)
        #expect(found == row)
        #expect(try await gateway.log.place(of: row.record.id) == row.lsn.rawValue)
        let body = try await gateway.log.body(.response, of: row.record.id)
        #expect(body?.bytes ?? [] == Array(record.responseBody))
    }

    @Test("the same entries give the same content anywhere, without a store", arguments: UInt64(301)..<305)
    func replay(start: UInt64) async throws {
        var seed = DatabaseSeed(state: start)
        let gateway = try await gateway("r\(start)")
        for _ in 0..<80 { try await step(gateway, &seed) }
        #expect(gateway.sealed > 3 && gateway.compacted > 3)
        let empty = Segments(folder: fixture.folder + "/none\(start)", bootID: "b", store: MemoryObjectStore())
        let databases = GatewayDatabases(
            folder: fixture.folder + "/again\(start)", bootID: "b", store: MemoryObjectStore(), segments: empty)
        let again = try await databases.log(DatabaseFixture.gateway, slot: DatabaseFixture.slot)
        for (index, entries) in gateway.history.enumerated() {
            _ = try await again.apply(n: LogIndex(index + 1), epoch: 1, entries)
            if index % 2 == 0 { while try await again.tidy() {} }
        }
        #expect(try await again.contentHash() == gateway.log.contentHash())
        #expect(try await again.state() == gateway.log.state())
        await again.close()
        // One transaction, as after a long absence.
        let other = GatewayDatabases(
            folder: fixture.folder + "/once\(start)", bootID: "b", store: MemoryObjectStore(), segments: empty)
        let once = try await other.log(DatabaseFixture.gateway, slot: DatabaseFixture.slot)
        _ = try await once.apply(n: gateway.n, epoch: 1, gateway.history.flatMap(\.self))
        #expect(try await once.contentHash() == gateway.log.contentHash())
        await once.close()
        await gateway.log.close()
    }

    @Test("where sealed rows lie makes no difference to a row with an id of theirs")
    func sealedTwin() async throws {
        var seed = DatabaseSeed(state: 9)
        var hashes: Set<String> = []
        for isTidy in [true, false] {
            seed = DatabaseSeed(state: 9)
            let gateway = try await gateway("twin\(isTidy)", rowsMax: 600)
            try await gateway.insert(700, &seed)
            let first = try #require(gateway.shown.first)
            let record = try #require(gateway.record(first.lsn))
            let proposal = try await gateway.log.propose(SegmentRequest(.seal, key: "1/seg/x/1-\(isTidy)"))
            guard case .sealed(var description) = try #require(proposal).entry else { return }
            // Named alike, for the hash.
            description.key = "1/seg/x/1-a"
            description.packKey = "1/seg/x/1-a.pack"
            try await gateway.apply([.sealed(description)])
            var steps = 0
            if isTidy {
                while try await gateway.log.tidy() { steps += 1 }
                #expect(steps >= 2)
            }
            _ = try await gateway.log.apply(
                n: gateway.n + 1, epoch: 1,
                [
                    DatabaseFixture.entry(record, n: gateway.n + 1, index: 0, sequence: 701),
                    CommittedEntry(
                        lsn: LSN(n: gateway.n + 1, index: 1), entry: .delete(lsns: [gateway.shown[1].lsn.rawValue])),
                ])
            #expect(try await gateway.log.sealingState().state.hotRows == 101)
            #expect(try await gateway.log.state().live == 700)
            hashes.insert(try await gateway.log.contentHash())
            await gateway.log.close()
        }
        #expect(hashes.count == 1)
    }

    @Test("objects that no row needs are listed until they are collected, and no others")
    func garbage() async throws {
        var seed = DatabaseSeed(state: 5)
        let gateway = try await gateway("g")
        for _ in 0..<60 { try await step(gateway, &seed) }
        let garbage = Set(try await gateway.log.garbage(through: gateway.n))
        let needed = Set(try await gateway.log.sealingState().state.segments.map(\.key))
        let kept = fixture.store.keys.filter { !$0.hasSuffix(".pack") }
        #expect(Set(kept) == needed.union(garbage.filter { !$0.hasSuffix(".pack") }))
        for key in garbage { try await fixture.store.delete(key) }
        try await check(gateway, LogQuery(), byCursor: true, "after the collection")
        for row in gateway.shown { try await check(gateway, row) }
        try await gateway.apply([.collected(through: gateway.n)])
        #expect(try await gateway.log.garbage(through: .max).isEmpty)
        await gateway.log.close()
    }

    @Test("a seal or rewriting that does not fit what is there changes nothing but garbage")
    func refused() async throws {
        var seed = DatabaseSeed(state: 6)
        let gateway = try await gateway("x")
        try await gateway.insert(40, &seed)
        let first = try #require(try await gateway.log.propose(SegmentRequest(.seal, key: "1/seg/u/1-100")))
        let second = try #require(try await gateway.log.propose(SegmentRequest(.seal, key: "1/seg/u/1-101")))
        try await gateway.apply([first.entry])
        try await gateway.apply([second.entry, .compacted(replaced: ["1/seg/none"], by: [])])
        #expect(try await gateway.log.sealingState().state.segments.map(\.key) == ["1/seg/u/1-100"])
        #expect(try await gateway.log.garbage(through: .max).first == "1/seg/u/1-101")
        // Rows that the new segment would lose.
        try await gateway.apply([.compacted(replaced: ["1/seg/u/1-100"], by: [])])
        try await check(gateway, LogQuery(), byCursor: true, "after refusals")
        await gateway.log.close()
    }

    @Test("a damaged or lost segment is an error, never a shorter list")
    func damaged() async throws {
        var seed = DatabaseSeed(state: 7)
        let gateway = try await gateway("l", cacheBytesMax: 0)
        try await gateway.insert(60, &seed)
        try await gateway.seal()
        try await gateway.seal()
        let key = try #require(try await gateway.log.sealingState().state.segments.first?.key)
        var query = LogQuery()
        query.isDescending = false
        let good = try await fixture.store.get(key)
        for change in [[UInt8](), Array(good.dropLast()), good.map { $0 ^ 1 }] {
            fixture.store.damage(key, change)
            let error = await #expect(throws: TidegateError.self) { try await gateway.log.logs(query) }
            #expect(error?.code == .corrupt)
        }
        fixture.store.lose(key)
        let error = await #expect(throws: TidegateError.self) { try await gateway.log.logs(query) }
        #expect(error?.code == .unavailable)
        fixture.store.damage(key, good)
        try await check(gateway, query, byCursor: true, "whole again")
        await gateway.log.close()
    }
}
