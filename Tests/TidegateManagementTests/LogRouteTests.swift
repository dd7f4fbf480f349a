import Synchronization
import Testing
import TidegateCore

@testable import TidegateManagement

@Suite("Logs")
struct LogRouteTests {
    let bench = Bench()
    let path = Bench.gateways + "/prod/logs"

    private func fill(_ count: Int) async {
        await bench.makeGateway()
        bench.logs.state.withLock { state in
            for number in 0..<count {
                var record = LogRecord(
                    id: RecordID(bits: UInt128(number + 1)), gateway: GatewayUID(bits: 1),
                    startedAtMs: 1_790_845_200_000)
                record.statusCode = 200
                record.usage = TokenUsage(inputUncached: 5, inputCacheRead: 2, outputText: 3, outputReasoning: 1)
                record.cost = PicoUSD(usd: 0.00015)
                record.metadata = #"{"z":1,"a":"b"}"#
                record.requestContentType = "application/json"
                record.requestBody = Array("{\"é\":1}".utf8)[...]
                record.requestBytes = 8
                var row = LogRow(
                    record: record, lsn: LSN(n: 1, index: number), createdAtMs: 1_790_845_200_123)
                row.requestHead = Array("{\"é".utf8.dropLast())
                state.rows.append(row)
            }
        }
    }

    private func id(_ number: Int) -> String { RecordID(bits: UInt128(number)).description }

    @Test("a list has short rows, counts, a cursor and the position")
    func list() async {
        await fill(3)
        let reply = await bench.call("GET", path + "?per_page=2&meta_info=true")
        #expect(reply.status == 200)
        #expect(reply.header("x-tidegate-position") == "r1/7:3:12")
        let row = reply.result?[0]
        #expect(row?["tokens_in"] == .integer(7))
        #expect(row?["request"] == .string(""))
        #expect(row?["created_at"] == .string("2026-10-01T09:00:00.123Z"))
        #expect(row?["usage_metadata"]?["input_cached_tokens"] == .integer(2))
        #expect(reply.text.contains(#""metadata":{"z":1,"a":"b"}"#))
        #expect(
            reply.text.contains(
                #""result_info":{"count":2,"page":1,"per_page":2,"total_count":3,"cursor":"next","min_cost":null"#))
        #expect(reply.json?["result_info"]?["max_duration"] == .integer(250))
    }

    @Test("sums are asked for by time, step and group, and refused with the parameter's name")
    func analytics() async {
        await fill(0)
        var row = AnalyticsRow()
        (row.startMs, row.model, row.requests) = (1_790_845_200_000, "m", 3)
        row.cost = PicoUSD(rawValue: 1_500_000_000_000)
        bench.logs.state.withLock { $0.sums = [row] }
        let base = Bench.gateways + "/prod/analytics"
        let reply = await bench.call("GET", base + "?from=2026-10-01&to=2026-10-02T00:00:00Z&step=minute&group=model")
        #expect(reply.status == 200)
        #expect(reply.header("x-tidegate-position") == "r1/7:3:12")
        #expect(reply.result?[0]?["start"] == .string("2026-10-01T09:00:00Z"))
        #expect(reply.result?[0]?["requests"] == .integer(3))
        #expect(reply.text.contains(#""cost":1.5"#) && !reply.text.contains(#""provider""#))
        let asked = bench.logs.state.withLock { $0.askedSums }
        #expect(asked?.step == .minute && asked?.groups == [.model])
        #expect((asked?.toMs ?? 0) - (asked?.fromMs ?? 0) == 86_400_000)
        for wrong in ["?step=day", "?group=user", "?group=model,model", "?from=x", "?from=2026-10-02&to=2026-10-01"] {
            #expect(await bench.call("GET", base + wrong).status == 400)
        }
    }

    @Test("a page past the end is 200 and empty; per_page above 50 is 400")
    func pages() async {
        await fill(1)
        #expect(await bench.call("GET", path + "?page=9").result?.count == 0)
        let refused = await bench.call("GET", path + "?per_page=100")
        #expect(refused.status == 400)
        #expect(refused.json?["errors"]?[0]?["code"] == .integer(7001))
    }

    @Test("a row by id has the beginning of its bodies, cut between characters")
    func get() async {
        await fill(1)
        let row = await bench.call("GET", path + "/" + id(1)).result
        #expect(row?["request_head"] == .string("{\""))
        #expect(row?["request_head_complete"] == .bool(false))
        #expect(row?["request_size"] == .integer(8))
        #expect(row?["response_head_complete"] == .bool(true))
        #expect(await bench.call("GET", path + "/" + id(9)).status == 404)
        #expect(await bench.call("GET", path + "/nonsense").json?["errors"]?[0]?["code"] == .integer(7002))
    }

    @Test("bodies come raw, and cannot run in the dashboard's origin")
    func bodies() async {
        await fill(1)
        let body = await bench.call("GET", path + "/" + id(1) + "/request")
        #expect(body.text == "{\"é\":1}")
        #expect(body.header("content-type") == "application/json")
        #expect(body.header("content-security-policy") == "sandbox; default-src 'none'")
        let none = await bench.call("GET", path + "/" + id(1) + "/response")
        #expect(none.status == 404)
        #expect(none.json?["errors"]?[0]?["code"] == .integer(7002))
    }

    @Test("a long body comes part by part, whole or as far as it was kept", arguments: [false, true])
    func longBodies(isCut: Bool) async {
        await fill(1)
        let content = (0..<(3 << 20)).map { UInt8(truncatingIfNeeded: $0 >> 8 ^ $0) } + [1, 2, 3]
        bench.logs.state.withLock { state in
            state.objects["k"] = content
            state.rows[0].record.responseObject = "k"
            state.rows[0].record.responseBytes = UInt64(isCut ? content.count * 2 : content.count)
            if isCut { state.rows[0].record.flags.insert(.responseBodyTruncated) }
        }
        let body = await bench.call("GET", path + "/" + id(1) + "/response")
        #expect(body.status == 200 && body.bytes == content && body.ends == 1)
        #expect(body.header("content-length") == (isCut ? nil : "\(content.count)"))
        #expect(body.header("content-type") == "application/octet-stream")
        #expect(bench.logs.state.withLock { $0.reads.map(\.count) } == [1 << 20, 1 << 20, 1 << 20, 1 << 20])
    }

    @Test("a long body that turns out shorter than its row says is no answer that ends well")
    func shortBody() async {
        await fill(1)
        bench.logs.state.withLock { state in
            state.objects["k"] = [1, 2, 3]
            state.rows[0].record.responseObject = "k"
            state.rows[0].record.responseBytes = 4
        }
        let body = await bench.call("GET", path + "/" + id(1) + "/response")
        #expect(body.bytes == [1, 2, 3] && body.ends == 0)
    }

    @Test("a change tells absent from null, and waits for a row on its way")
    func patch() async {
        await fill(1)
        let body = #"{"feedback":1,"score":null,"metadata":{"n":1,"ok":true}}"#
        #expect(await bench.call("PATCH", path + "/" + id(1), body).status == 200)
        #expect(await bench.call("PATCH", path + "/" + id(5), "{}").status == 202)
        let patches = bench.logs.state.withLock { $0.patches }
        #expect(patches[0] == LogPatch(feedback: 1, score: .some(nil), metadata: #"{"n":1,"ok":true}"#))
        #expect(patches[1] == LogPatch())
    }

    @Test(
        "a change out of range is refused",
        arguments: [
            #"{"feedback":2}"#, #"{"score":101}"#, #"{"metadata":{"a":null}}"#, #"{"metadata":[]}"#, "[]", "{",
        ])
    func patchRange(body: String) async {
        await fill(1)
        let reply = await bench.call("PATCH", path + "/" + id(1), body)
        #expect(reply.status == 400)
        #expect(reply.json?["errors"]?[0]?["path"]?[0] == .string("body"))
    }

    @Test("deleting takes at most its limit, the oldest first")
    func delete() async {
        await fill(3)
        let reply = await bench.call("DELETE", path + "?limit=2&order_by=cost")
        #expect(reply.json?["success"] == .bool(true))
        #expect(reply.result?["deleted"] == .integer(2))
        #expect(bench.logs.state.withLock { $0.asked?.isDescending } == false)
        #expect(await bench.call("DELETE", path + "?limit=10001").status == 400)
        #expect(reply.header("x-tidegate-position") == MemoryLogs.position.description)
        #expect(await bench.call("DELETE", path + "?filters[0][key]=id").status == 400)
    }

    @Test(
        "a condition that DELETE does not know deletes nothing",
        arguments: ["search=x", "filter=x", "provder=openai", "page=2", "created_at=2026-01-01"])
    func deleteUnknown(condition: String) async {
        await fill(3)
        let reply = await bench.call("DELETE", path + "?" + condition)
        #expect(reply.status == 400)
        #expect(bench.logs.state.withLock { $0.rows.count } == 3)
    }

    @Test("a reader who has seen a newer position is not shown an older one")
    func minimum() async {
        await fill(1)
        let newer = [(name: "x-tidegate-min-position", value: "r1/7:3:13")]
        #expect(await bench.call("GET", path, headers: newer).status == 503)
        #expect(await bench.call("GET", path + "/" + id(1) + "/request", headers: newer).status == 503)
        let seen = [(name: "x-tidegate-min-position", value: "r1/7:3:12")]
        #expect(await bench.call("GET", path, headers: seen).status == 200)
    }
}
