import Testing
import TidegateCore
import TidegateTestKit

@testable import TidegateObjects

@Suite("Search in bodies", .serialized)
struct BodySearchTests {
    let fixture = DatabaseFixture()
    private static let vocabulary = ["tide", "gate", "harbour", "Größe", "anchor", "lock"]

    private func gateway(_ name: String) async throws -> SealedGateway {
        let databases = GatewayDatabases(
            folder: fixture.folder + "/" + name, bootID: "boot-1", store: fixture.store,
            segments: fixture.segments(name, rowsMax: 40), queryLimit: .seconds(60))
        return SealedGateway(try await databases.log(DatabaseFixture.gateway, slot: DatabaseFixture.slot))
    }

    /// Rows with words, one body of them a stream.
    private func insert(_ gateway: SealedGateway, _ count: Int, _ seed: inout DatabaseSeed) async throws {
        var entries: [GatewayEntry] = []
        for _ in 0..<count {
            let index = gateway.shown.count + entries.count
            var record = DatabaseFixture.record(&seed, index)
            let words = (0..<3).map { _ in seed.pick(Self.vocabulary) }
            record.requestBody = Array("{\"content\":\"\(words[0]) and \(words[1])\"}".utf8)[...]
            let half = words[2].index(words[2].startIndex, offsetBy: 2)
            let pieces = [words[2][..<half], words[2][half...]]
            record.flags.insert(.streamed)
            record.responseBody =
                Array(
                    pieces.map { "data: {\"choices\":[{\"delta\":{\"content\":\"\($0)\"}}]}\n\n" }.joined().utf8)[...]
            entries.append(
                .record(
                    stream: DatabaseFixture.stream, sequence: UInt64(index + 1), id: record.id,
                    receivedAtMs: DatabaseFixture.baseMs, payload: record.encoded()[...]))
        }
        try await gateway.apply(entries)
    }

    private func check(_ gateway: SealedGateway, unsearched: Int64 = 0, butSealed: Set<UInt64> = []) async throws {
        for search in Self.vocabulary + ["tide gate", "har", "grö", "nothing", "lock tid"] {
            let words = try #require(BodyWords(search))
            let expected = gateway.shown.filter { row in
                guard let record = gateway.record(row.lsn), !butSealed.contains(row.lsn.rawValue) else { return false }
                let text = BodyIndex.text(
                    record.requestBody + record.responseBody, request: record.requestBody.count, isEventStream: true)
                return words.match(text)
            }
            var query = LogQuery()
            query.bodySearch = search
            query.perPage = 7
            var found: [LSN] = []
            repeat {
                let page = try await gateway.log.logs(query)
                #expect(page.totalCount == expected.count && page.unsearchedBodies == unsearched)
                found += page.rows.map(\.lsn)
                query.cursor = page.nextCursor
            } while query.cursor != nil
            #expect(Set(found) == Set(expected.map(\.lsn)) && found.count == expected.count, "\(search)")
        }
    }

    @Test("finds the same rows hot, sealed, rewritten, and after deletions", arguments: UInt64(1)..<4)
    func everywhere(seed: UInt64) async throws {
        var seed = DatabaseSeed(state: seed)
        let gateway = try await gateway("s\(seed.state)")
        gateway.indexesBodies = true
        try await insert(gateway, 100, &seed)
        try await check(gateway)
        try await gateway.seal()
        try await check(gateway)
        for _ in 0..<5 { try await gateway.disturb(&seed) }
        try await insert(gateway, 20, &seed)
        try await gateway.seal()
        try await check(gateway)
        let keys = try await gateway.log.sealingState().state.segments.map(\.key)
        try await gateway.compact(keys)
        try await check(gateway)
        await gateway.log.close()
    }

    @Test("says how many rows have bodies without an index")
    func unindexed() async throws {
        var seed = DatabaseSeed(state: 9)
        let gateway = try await gateway("u")
        try await insert(gateway, 60, &seed)
        let sealed = Set(gateway.shown.prefix(40).map(\.lsn.rawValue))
        try await gateway.seal()
        try await check(gateway, unsearched: 40, butSealed: sealed)
        // Rewritten with an index, nothing is left out.
        gateway.indexesBodies = true
        try await gateway.compact(try await gateway.log.sealingState().state.segments.map(\.key))
        try await check(gateway)
        await gateway.log.close()
    }

    @Test("a search without words is refused with a reason")
    func refused() async throws {
        let gateway = try await gateway("r")
        for search in ["", "\"*\"", String(repeating: "a", count: 5_000)] {
            var query = LogQuery()
            query.bodySearch = search
            await #expect(throws: TidegateError.self) { _ = try await gateway.log.logs(query) }
        }
        await gateway.log.close()
    }
}
