import Testing
import TidegateCore

@testable import TidegateManagement

@Suite("Log queries")
struct LogQueryParserTests {
    private func filters(_ raw: String) throws -> [LogFilter] { try LogQueryParser.list(raw).filters }

    @Test("interleaved, grouped and JSON spellings say the same")
    func spellings() throws {
        let wanted = [
            LogFilter(key: .provider, operator: .eq, values: [.string("openai")]),
            LogFilter(key: .success, operator: .neq, values: [.bool(false)]),
        ]
        for raw in [
            "filters.key=provider&filters.operator=eq&filters.value=openai&filters.key=success&filters.operator=neq"
                + "&filters.value=false",
            "filters.key=provider&filters.key=success&filters.operator=eq&filters.operator=neq&filters.value=openai"
                + "&filters.value=false",
            "filters=%5B%7B%22key%22:%22provider%22,%22operator%22:%22eq%22,%22value%22:%5B%22openai%22%5D%7D,"
                + "%7B%22key%22:%22success%22,%22operator%22:%22neq%22,%22value%22:%5Bfalse%5D%7D%5D",
        ] { #expect(try filters(raw) == wanted) }
    }

    @Test(
        "an ambiguous grouping is refused and says so",
        arguments: [
            "filters.key=provider&filters.key=model&filters.operator=eq&filters.operator=eq&filters.value=a"
                + "&filters.value=b&filters.value=c",
            "filters.key=provider&filters.key=model&filters.operator=eq&filters.value=a&filters.operator=eq",
            "filters.operator=eq&filters.key=id&filters.value=a&filters.key=id&filters.operator=eq&filters.value=b",
        ])
    func ambiguous(raw: String) {
        let failure = #expect(throws: APIFailure.self) { try filters(raw) }
        #expect(failure?.status == 400)
        #expect(failure?.issues[0].message.hasPrefix("Ambiguous grouping") == true)
    }

    @Test("deprecated bounds are inclusive")
    func deprecated() throws {
        let query = try LogQueryParser.list(
            "min_duration=5&max_cost=0.5&start_date=2026-10-01T09:00:00%2B02:00&feedback=1&direction=asc&cached=true")
        #expect(!query.isDescending)
        #expect(
            query.filters == [
                LogFilter(key: .createdAt, operator: .gte, values: [.number(1_790_838_000_000)]),
                LogFilter(key: .cached, operator: .eq, values: [.bool(true)]),
                LogFilter(key: .feedback, operator: .eq, values: [.number(1)]),
                LogFilter(key: .cost, operator: .lte, values: [.number(0.5)]),
                LogFilter(key: .duration, operator: .gte, values: [.number(5)]),
            ])
    }

    @Test(
        "what cannot be meant is refused",
        arguments: [
            "page=0", "per_page=51", "order_by=cost", "order_by_direction=up", "search=%ZZ", "search=%FF",
            "page=1&page=2",
            "filters=%7B", "filters.key=id", "filters.key=nope&filters.operator=eq&filters.value=1",
            "filters.key=id&filters.operator=gte&filters.value=1",
            "filters.key=cost&filters.operator=contains&filters.value=1",
            "filters.key=cost&filters.operator=gt&filters.value=nan",
            "filters.key=id&filters.operator=lt&filters.value=a",
            "filters%5B0%5D%5Bkey%5D=id", "min_cost=x", "feedback=2", "meta_info=maybe", "start_date=yesterday",
        ])
    func refused(raw: String) {
        let failure = #expect(throws: APIFailure.self) { try LogQueryParser.list(raw) }
        #expect(failure?.issues[0].path.first == "query")
    }

    @Test("numbers of filters and values are bounded")
    func bounds() throws {
        let one = "filters.key=id&filters.operator=eq&filters.value=a"
        let most = Array(repeating: one, count: 32).joined(separator: "&")
        #expect(try filters(most).count == 32)
        #expect(throws: APIFailure.self) { try filters(most + "&" + one) }
        #expect(throws: APIFailure.self) {
            try filters(one + String(repeating: "&filters.value=a", count: 100))
        }
    }

    @Test("every spelling of the same filters parses to the same", arguments: UInt64(0)..<200)
    func property(seed: UInt64) throws {
        var random = Seeded(state: seed)
        let keys = ["provider", "model", "metadata.value", "event_id"]
        let list = (0..<Int.random(in: 1...5, using: &random)).map { _ in
            (
                key: keys.randomElement(using: &random) ?? "id",
                operation: ["eq", "neq", "contains"].randomElement(using: &random) ?? "eq",
                value: String(
                    String.UnicodeScalarView(
                        (0..<4).map { _ in
                            Unicode.Scalar(UInt32.random(in: 32..<0x500, using: &random)) ?? "x"
                        }))
            )
        }
        func pair(_ name: String, _ value: String) -> String { "filters.\(name)=\(encoded(value))" }
        let interleaved = list.flatMap {
            [pair("key", $0.key), pair("operator", $0.operation), pair("value", $0.value)]
        }
        let grouped =
            list.map { pair("key", $0.key) } + list.map { pair("operator", $0.operation) }
            + list.map { pair("value", $0.value) }
        let json = JSONText.array(
            list.map {
                .object([
                    ("key", .string($0.key)), ("operator", .string($0.operation)), ("value", .strings([$0.value])),
                ])
            })
        let wanted = try filters(interleaved.joined(separator: "&"))
        #expect(wanted.count == list.count)
        #expect(try filters(grouped.joined(separator: "&")) == wanted)
        #expect(try filters("filters=" + encoded(String(decoding: json.encoded(), as: UTF8.self))) == wanted)
    }

    @Test("no query string makes it trap", arguments: UInt64(0)..<50)
    func fuzz(seed: UInt64) {
        var random = Seeded(state: seed)
        let words = [
            "filters", ".key", ".operator", ".value", "=", "&", "%", "%2", "%5B", "[", "{", "\"", "created_at", "eq",
            "page", "99999999999999999999", "2026-02-30", "-", "+", "null", "é", "min_cost", "1e999", "\u{0}",
        ]
        for _ in 0..<200 {
            let raw = (0..<Int.random(in: 0...12, using: &random)).map { _ in
                words.randomElement(using: &random) ?? ""
            }.joined()
            _ = try? LogQueryParser.list(raw)
            _ = try? LogQueryParser.deletion(raw)
        }
    }

    @Test("times are read and written alike", arguments: UInt64(0)..<200)
    func times(seed: UInt64) {
        var random = Seeded(state: seed)
        let time = Int64.random(in: -62_135_596_800_000..<253_402_300_800_000, using: &random)
        #expect(Timestamp.milliseconds(Timestamp.text(time)) == time)
    }

    private func encoded(_ text: String) -> String {
        text.utf8.map { byte in "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }
}

/// SplitMix64.
private struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
