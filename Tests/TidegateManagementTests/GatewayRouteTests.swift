import Testing
import TidegateCore

@testable import TidegateManagement

@Suite("Gateways")
struct GatewayRouteTests {
    let bench = Bench()

    @Test("a created gateway is answered whole, in the reference's order")
    func create() async {
        let reply = await bench.call(
            "POST", Bench.gateways,
            "{\"id\":\"prod\",\(Bench.gatewayBody),\"rate_limiting_technique\":\"sliding\",\"authentication\":true,"
                + "\"unknown\":1}")
        #expect(reply.status == 200)
        #expect(
            reply.text.hasPrefix(
                #"{"success":true,"result":{"id":"prod","created_at":"2026-10-01T09:00:00Z","#
                    + #""modified_at":"2026-10-01T09:00:00Z","cache_invalidate_on_update":false,"cache_ttl":300,"#
                    + #""collect_logs":true,"rate_limiting_interval":60,"rate_limiting_limit":100,"#
                    + #""rate_limiting_technique":"sliding","authentication":true,"log_management":10000000,"#
                    + #""log_management_strategy":"DELETE_OLDEST","logpush":false"#))
        #expect(reply.text.hasSuffix(#"},"errors":[],"messages":[]}"#))
        #expect(reply.ends == 1)
    }

    @Test("days of retention are kept, and null keeps rows for ever")
    func retention() async {
        for (value, kept) in [("30", JSONValue.integer(30)), ("null", .null)] {
            let name = "days-\(value)"
            let reply = await bench.call(
                "POST", Bench.gateways,
                "{\"id\":\"\(name)\",\(Bench.gatewayBody),\"log_retention_days\":\(value)}")
            #expect(reply.status == 200)
            #expect(reply.json?["result"]?["log_retention_days"] == kept)
        }
    }

    @Test("a missing field is refused in the reference's words")
    func required() async {
        let reply = await bench.call("POST", Bench.gateways, "{\(Bench.gatewayBody)}")
        #expect(reply.status == 400)
        #expect(
            reply.text
                == #"{"success":false,"errors":[{"code":7001,"message":"Required","path":["body","id"]}],"#
                + #""messages":[],"result":{}}"#)
    }

    @Test(
        "a field out of its range is refused with its path",
        arguments: [
            ("log_management", "9999"), ("log_management", "10000001"), ("retry_delay", "5001"),
            ("retry_max_attempts", "0"), ("retry_max_attempts", "6"), ("retry_backoff", "\"soon\""),
            ("logpush_public_key", "\"short\""), ("rate_limiting_technique", "\"x\""), ("zdr", "1"), ("otel", "{}"),
            ("log_retention_days", "0"), ("log_retention_days", "1.5"), ("log_retention_days", "\"30\""),
            ("log_retention_days", "36501"), ("guardrails", "{\"prompt\":{}}"), ("log_management_strategy", "\"x\""),
            ("authentication", "null"),
            ("spend_limits", "{\"rules\":[{\"limit\":0,\"limitType\":\"cost\",\"window\":1}]}"),
        ])
    func ranges(field: String, value: String) async {
        let reply = await bench.call(
            "POST", Bench.gateways, "{\"id\":\"a\",\(Bench.gatewayBody),\"\(field)\":\(value)}")
        #expect(reply.status == 400)
        let issue = reply.json?["errors"]?[0]
        #expect(issue?["code"] == .integer(7001))
        #expect(issue?["path"]?[0] == .string("body"))
        #expect(issue?["path"]?[1] == .string(field))
    }

    @Test("an update keeps what it leaves out, and null sets back")
    func update() async {
        await bench.makeGateway()
        let path = Bench.gateways + "/prod"
        _ = await bench.call("PUT", path, "{\(Bench.gatewayBody),\"retry_delay\":10,\"zdr\":true}")
        let kept = await bench.call("PUT", path, "{\(Bench.gatewayBody)}")
        #expect(kept.result?["retry_delay"] == .integer(10))
        #expect(kept.result?["zdr"] == .bool(true))
        let cleared = await bench.call("PUT", path, "{\(Bench.gatewayBody),\"retry_delay\":null}")
        #expect(cleared.result?["retry_delay"] == .null)
    }

    @Test("duplicates are 409, one too many is a 403 that the SDKs do not repeat")
    func limits() async {
        await bench.makeGateway("a")
        #expect(await bench.makeGateway("a").status == 409)
        await bench.makeGateway("b")
        await bench.makeGateway("c")
        let reply = await bench.makeGateway("d")
        #expect(reply.status == 403)
        #expect(reply.json?["errors"]?[0]?["code"] == .integer(7004))
    }

    @Test("lists search, page, and are empty past the end")
    func list() async {
        for name in ["one", "two", "tree"] { await bench.makeGateway(name) }
        let found = await bench.call("GET", Bench.gateways + "?search=t&per_page=1&page=2")
        #expect(found.result?.count == 1)
        #expect(
            found.text.hasSuffix(#""result_info":{"count":1,"page":2,"per_page":1,"total_count":2}}"#))
        let past = await bench.call("GET", Bench.gateways + "?page=9223372036854775807")
        #expect(past.status == 200)
        #expect(past.result?.count == 0)
        #expect(await bench.call("GET", Bench.gateways + "?per_page=101").status == 400)
    }

    @Test("a deleted gateway is answered once more, then not found")
    func delete() async {
        await bench.makeGateway()
        let path = Bench.gateways + "/prod"
        #expect(await bench.call("DELETE", path).result?["id"] == .string("prod"))
        let gone = await bench.call("GET", path)
        #expect(gone.status == 404)
        #expect(gone.json?["errors"]?[0]?["code"] == .integer(7002))
    }

    @Test("the proxy URL names account, gateway and provider")
    func url() async {
        await bench.makeGateway()
        let reply = await bench.call("GET", Bench.gateways + "/prod/url/openai")
        #expect(reply.result == .string("http://127.0.0.1:8787/v1/acme/prod/openai"))
    }
}
