import Foundation
import Testing
import TidegateCore
import TidegateObjects

@Suite("Rows past their age")
struct AgingTests {
    private let fixture = DatabaseFixture()

    private func gateway(_ name: String, rowsMax: Int = 10) async throws -> SealedGateway {
        SealedGateway(
            try await GatewayDatabases(
                folder: fixture.folder + "/" + name, bootID: "boot-1", store: fixture.store,
                segments: fixture.segments(name, rowsMax: rowsMax)
            ).log(DatabaseFixture.gateway, slot: DatabaseFixture.slot))
    }

    private func limit(_ before: Int64, slack: Int64 = 0, possible: Int64 = 1_000_000, rowsMax: Int = 10_000)
        -> AgeLimit
    {
        AgeLimit(beforeMs: before, sealedBeforeMs: before - slack, possibleMs: possible, rowsMax: rowsMax)
    }

    /// One row for each time at which it was received.
    private func insert(_ times: [Int64], into gateway: SealedGateway, _ seed: inout DatabaseSeed, from first: Int)
        async throws -> [(lsn: UInt64, time: Int64)]
    {
        try await gateway.apply(
            times.enumerated().map { index, time in
                let record = DatabaseFixture.record(&seed, first + index)
                return .record(
                    stream: DatabaseFixture.stream, sequence: UInt64(first + index + 1), id: record.id,
                    receivedAtMs: time, payload: record.encoded()[...])
            })
        return times.enumerated().map { (LSN(n: gateway.n, index: $0.offset).rawValue, $0.element) }
    }

    /// Applies what is said to be old, as an owner does, until there is nothing more.
    private func evict(_ limit: AgeLimit, from gateway: SealedGateway) async throws {
        for turn in 0... {
            guard let aged = try await gateway.log.agedRows(limit) else { return }
            #expect(aged.rows == aged.rows.sorted() && aged.rows.count <= limit.rowsMax)
            if let through = aged.through { try await gateway.apply([.evict(through: through)]) }
            if !aged.rows.isEmpty { try await gateway.apply([.delete(lsns: aged.rows)]) }
            try #require(turn < 200, "every turn takes something away")
        }
    }

    private func kept(_ gateway: SealedGateway) async throws -> Set<UInt64> {
        var query = LogQuery()
        query.perPage = 1_000
        let page = try await gateway.log.logs(query)
        #expect(page.totalCount == Int64(page.rows.count))
        #expect(try await gateway.log.state().live == Int64(page.rows.count))
        return Set(page.rows.map(\.lsn.rawValue))
    }

    @Test("of rows under any clocks exactly the old ones go, hot and sealed; a replay agrees", arguments: 0..<12)
    func exact(seed number: UInt64) async throws {
        var seed = DatabaseSeed(state: number)
        let gateway = try await gateway("a")
        var rows: [(lsn: UInt64, time: Int64)] = []
        var now: Int64 = 1_000
        for _ in 0..<14 {
            let times = (0..<Int.random(in: 1...9, using: &seed)).map { _ in
                now += 10
                // Owners' clocks differ.
                return now + seed.pick([0, 0, 0, 0, -300, 200])
            }
            rows += try await insert(times, into: gateway, &seed, from: rows.count)
            switch Int.random(in: 0..<4, using: &seed) {
            case 0, 1: try await gateway.seal()
            case 2:
                let keys = try await gateway.log.sealingState().state.segments.map(\.key)
                if keys.count > 1 { try await gateway.compact(Array(keys.suffix(2))) }
            default: break
            }
        }
        for before in stride(from: Int64(1_000), through: now + 500, by: 150) {
            try await evict(limit(before, rowsMax: seed.pick([3, 10_000])), from: gateway)
            let expected = rows.filter { $0.time >= before }.map(\.lsn)
            #expect(try await kept(gateway) == Set(expected), "before \(before), seed \(number)")
        }
        let other = try await self.gateway("b")
        for entries in gateway.history { try await other.apply(entries.map(\.entry)) }
        #expect(try await other.log.contentHash() == gateway.log.contentHash())
    }

    @Test("whole segments go without one being read; a sealed row alone waits for its neighbours")
    func segments() async throws {
        var seed = DatabaseSeed(state: 5)
        let gateway = try await gateway("a")
        let rows = try await insert((0..<30).map { 1_000 + $0 * 10 }, into: gateway, &seed, from: 0)
        for _ in 0..<2 { try await gateway.seal() }
        #expect(try await gateway.log.agedRows(limit(1_000)) == nil)
        #expect(try await gateway.log.agedRows(limit(1_090, slack: 100)) == nil)
        let whole = try #require(try await gateway.log.agedRows(limit(1_150, slack: 100)))
        #expect(whole.through == rows[9].lsn && whole.rows.isEmpty)
        let alone = try #require(try await gateway.log.agedRows(limit(1_150, slack: 20)))
        #expect(alone.through == rows[9].lsn && alone.rows == rows[10..<15].map(\.lsn))
        let hot = try #require(try await gateway.log.agedRows(limit(1_250, slack: 20)))
        #expect(hot.through == rows[24].lsn && hot.rows.isEmpty)
    }

    @Test("a row from the future is as old as one behind it, and else stays")
    func future() async throws {
        for isSealed in [false, true] {
            var seed = DatabaseSeed(state: 6)
            let fixture = DatabaseFixture()
            let gateway = SealedGateway(try await fixture.open())
            let rows = try await insert([1_000, 4_000_000, 1_010, 1_500, 4_000_000], into: gateway, &seed, from: 0)
            if isSealed { try await gateway.seal() }
            try await evict(limit(1_100), from: gateway)
            #expect(try await kept(gateway) == Set(rows[3...].map(\.lsn)))
        }
    }
}
