import Foundation
import Testing
import TidegateCore
import TidegateObjects

@Suite("Questions to a gateway's log", .serialized)
struct DatabaseQueryTests {
    let fixture = DatabaseFixture()

    /// A random question that is meant well.
    static func question(_ seed: inout DatabaseSeed, _ rows: [LogRow]) -> LogQuery {
        var query = LogQuery()
        query.order = seed.pick(LogQuery.Order.allCases)
        query.isDescending = Bool.random(using: &seed)
        query.perPage = Int.random(in: 1...40, using: &seed)
        query.wantsMetaInfo = Bool.random(using: &seed)
        if Int.random(in: 0..<5, using: &seed) == 0 {
            query.search = seed.pick(["4o", "%", "_", "\\", "É", "é", "TEAM", String("\(rows[0].record.id)".prefix(9))])
        }
        for _ in 0..<Int.random(in: 0...2, using: &seed) {
            let key = seed.pick(LogFilter.Key.allCases)
            let values = (0..<Int.random(in: 1...3, using: &seed))
            func numbers() -> [LogFilter.Value] {
                values.map { _ in
                    let number = Int.random(in: 0..<20, using: &seed)
                    return Bool.random(using: &seed) ? .number(Double(number)) : .string("\(number)")
                }
            }
            switch key {
            case .success, .cached, .authentication, .compatibilityMode, .wholesale:
                query.filters.append(
                    LogFilter(
                        key: key, operator: seed.pick([.eq, .neq]),
                        values: [
                            seed.pick([.bool(true), .bool(false), .string("true"), .string("false"), .null])
                        ]))
            case .tokens, .tokensIn, .tokensOut, .duration, .step, .feedback, .score, .statusCode, .cost:
                var wanted = numbers()
                if key == .statusCode { wanted = [.number(200), .string("404")] }
                if key == .cost { wanted = [.number(0.002), .string("0.001")] }
                let `operator` = seed.pick([LogFilter.Operator.eq, .neq, .lt, .gt])
                if `operator` == .eq || `operator` == .neq, Bool.random(using: &seed) { wanted.append(.null) }
                query.filters.append(LogFilter(key: key, operator: `operator`, values: wanted))
            case .createdAt:
                let instant = seed.pick(rows).createdAtMs
                query.filters.append(
                    LogFilter(
                        key: key, operator: seed.pick([.lt, .gt, .eq, .neq]),
                        values: [
                            seed.pick([.number(Double(instant)), .string("\(instant)")])
                        ]))
            case .metadataValue where Bool.random(using: &seed):
                query.filters.append(LogFilter(key: key, operator: seed.pick([.lt, .gt]), values: [.number(4)]))
            default:
                let known: [LogFilter.Value] = [
                    .string("openai"), .string("gpt-4o"), .string("a"), .string("o"), .string("_"), .string("%"),
                    .string("team"), .number(5), .bool(true), .string("chat"), .string("\(seed.pick(rows).record.id)"),
                ]
                var wanted = values.map { _ in seed.pick(known) }
                let `operator` = seed.pick([LogFilter.Operator.eq, .neq, .contains])
                if `operator` != .contains, key != .id, Bool.random(using: &seed) { wanted.append(.null) }
                query.filters.append(LogFilter(key: key, operator: `operator`, values: wanted))
            }
        }
        return query
    }

    private func filled(_ seed: inout DatabaseSeed, rows: Int) async throws -> (GatewayLog, [LogRow]) {
        let log = try await fixture.open("q\(seed.state)")
        var shown: [LogRow] = []
        for index in 0..<rows {
            let n = LogIndex(index + 1)
            let record = DatabaseFixture.record(&seed, index)
            let entry = DatabaseFixture.entry(record, n: n, index: 0, sequence: UInt64(n))
            var patch = LogPatch()
            if index % 7 == 0 { patch = LogPatch(feedback: seed.pick([-1, 1]), score: seed.pick([nil, 3])) }
            if index % 11 == 0 { patch.metadata = .some("{\"team\":\"edited\"}") }
            let edit = CommittedEntry(
                lsn: LSN(n: n, index: 1), entry: .edit(id: record.id, patch: patch, atMs: DatabaseFixture.baseMs))
            _ = try await log.apply(n: n, epoch: 1, [entry, edit])
            let receivedAtMs = DatabaseFixture.baseMs + Int64(n) * 100
            var row = LogRow(
                record: record, lsn: LSN(n: n, index: 0), createdAtMs: min(record.startedAtMs, receivedAtMs + 2_000))
            (row.record.requestBody, row.record.responseBody) = ([], [])
            row.feedback = patch.feedback ?? nil
            row.score = patch.score ?? nil
            if let metadata = patch.metadata { row.metadata = metadata ?? "" }
            shown.append(row)
        }
        return (log, shown)
    }

    @Test("every page is what plain Swift finds", arguments: [UInt64(101), 102, 103])
    func differential(start: UInt64) async throws {
        var seed = DatabaseSeed(state: start)
        let (log, rows) = try await filled(&seed, rows: 250)
        for round in 0..<80 {
            var query = Self.question(&seed, rows)
            let expected = DatabaseQueryOracle.rows(query, of: rows)
            let byCursor = Bool.random(using: &seed)
            var found: [LSN] = []
            var pages = 0
            while true {
                let page = try await log.logs(query)
                if page.totalCount != expected.count { Issue.record("seed \(start) round \(round): \(query)") }
                found += page.rows.map(\.lsn)
                pages += 1
                if query.wantsMetaInfo {
                    let durations = expected.map { Double($0.record.durationMs) }
                    #expect(page.ranges?["duration"]?.max == durations.max())
                }
                for row in page.rows where pages == 1 { #expect(row == rows[Int(row.lsn.n) - 1]) }
                guard let next = page.nextCursor, pages < 300 else { break }
                query.page += byCursor ? 0 : 1
                query.cursor = byCursor ? next : nil
            }
            if found != expected.map(\.lsn) {
                Issue.record("seed \(start) round \(round): \(query), \(found.count) of \(expected.count)")
            }
            #expect(try await log.matching(query, limit: 5) == expected.prefix(5).map(\.lsn.rawValue))
        }
        await log.close()
    }

    @Test("pages go on where they ended while rows arrive; past the end they are empty")
    func stableCursors() async throws {
        var seed = DatabaseSeed(state: 7)
        let (log, rows) = try await filled(&seed, rows: 60)
        var query = LogQuery()
        let expected = DatabaseQueryOracle.rows(query, of: rows).map(\.lsn)
        var found: [LSN] = []
        for page in 1...3 {
            query.page = page
            found += try await log.logs(query).rows.map(\.lsn)
            let n = LogIndex(1_000 + page)
            let newer = DatabaseFixture.record(&seed, 9_000 + page)
            _ = try await log.apply(n: n, epoch: 1, [DatabaseFixture.entry(newer, n: n, index: 0, sequence: 9_000)])
        }
        #expect(found == expected)
        query.page = 900
        let beyond = try await log.logs(query)
        #expect(beyond.rows.isEmpty && beyond.totalCount == 63 && beyond.nextCursor == nil)
        await log.close()
    }

    @Test("what cannot be meant is refused with the key's name")
    func refusals() async throws {
        let log = try await fixture.open()
        let bad: [(LogFilter.Key, LogFilter.Operator, [LogFilter.Value])] = [
            (.model, .lt, [.string("a")]), (.createdAt, .gt, [.string("yesterday")]),
            (.success, .eq, [.string("maybe")]),
            (.cost, .contains, [.number(1)]), (.tokens, .gt, [.null]), (.duration, .eq, [.bool(true)]),
            (.provider, .eq, []), (.cost, .lt, [.number(.nan)]), (.path, .contains, [.null]),
        ]
        for (key, `operator`, values) in bad {
            var query = LogQuery()
            query.filters = [LogFilter(key: key, operator: `operator`, values: values)]
            let error = await #expect(throws: TidegateError.self) { try await log.logs(query) }
            #expect(error?.code == .invalidRequest && error?.message.contains(key.rawValue) == true)
        }
        for cursor in ["", "x", "AAAA", "Zm9vYmFyYmF6cXV4"] {
            var query = LogQuery()
            query.cursor = cursor
            let error = await #expect(throws: TidegateError.self) { try await log.logs(query) }
            #expect(error?.code == .invalidRequest)
        }
        await log.close()
    }

    @Test("a date is read with and without its offset")
    func dates() async throws {
        var seed = DatabaseSeed(state: 7)
        let (log, rows) = try await filled(&seed, rows: 50)
        let middle = DatabaseFixture.baseMs + 1_000  // 2025-11-24T16:00:01Z
        for text in ["2025-11-24T16:00:01Z", "2025-11-24T17:00:01.000+01:00", "2025-11-24 16:00:01", "\(middle)"] {
            var query = LogQuery()
            query.filters = [LogFilter(key: .createdAt, operator: .lt, values: [.string(text)])]
            #expect(try await log.logs(query).totalCount == rows.filter { $0.createdAtMs < middle }.count)
        }
        await log.close()
    }

    @Test("a query past its deadline ends with its own error")
    func deadline() async throws {
        let databases = fixture.databases(queryLimit: .zero)
        let log = try await databases.open(DatabaseFixture.gateway, slot: DatabaseFixture.slot, from: nil)
        let error = await #expect(throws: TidegateError.self) { try await log.logs(LogQuery()) }
        #expect(error?.code == .deadlineExceeded)
        await databases.closeAll()
    }
}
