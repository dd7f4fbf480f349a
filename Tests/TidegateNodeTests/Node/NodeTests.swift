import Foundation
import Testing
import TidegateCore
import TidegateNode

@Suite("A node", .serialized)
struct NodeTests {
    private let logs = "/default/ai-gateway/gateways/default/logs"

    @Test("a call becomes a row with tokens, cost, duration and both bodies")
    func firstLight() async throws {
        let node = try await TestNode.start()
        let answer = try await node.chat("nonce:abc123", headers: ["cf-aig-metadata": #"{"team":"a"}"#])
        #expect(answer.status == 200)
        let id = try #require(answer.headers["cf-aig-log-id"])
        let row = try await node.eventually("\(logs)/\(id)") { $0.status == 200 }
        #expect(row.status == 200)
        let result = try #require(row.json?["result"])
        #expect(result["provider"]?.text == "openai")
        #expect(result["model"]?.text == "gpt-4o-mini")
        #expect(result["success"] == .bool(true))
        #expect(result["tokens_in"]?.integer ?? 0 > 0)
        #expect(result["tokens_out"]?.integer ?? 0 > 0)
        #expect(result["metadata"]?["team"]?.text == "a")
        #expect(row.headers["x-tidegate-position"].flatMap(LogPosition.init) != nil)
        let request = try await node.manage("GET", "\(logs)/\(id)/request")
        #expect(String(decoding: request.body, as: UTF8.self).contains("nonce:abc123"))
        let response = try await node.manage("GET", "\(logs)/\(id)/response")
        #expect(response.body == answer.body)
        try await node.remove()
    }

    @Test("rows, edits and the token outlive a restart, and nothing is doubled")
    func restart() async throws {
        let node = try await TestNode.start()
        let token = node.node.administratorToken
        var ids: [String] = []
        for number in 0..<20 {
            ids.append(try #require(try await node.chat("call \(number)").headers["cf-aig-log-id"]))
        }
        let patched = try await node.manage("PATCH", "\(logs)/\(ids[3])", body: #"{"feedback":1,"score":87}"#)
        #expect(patched.status == 200 || patched.status == 202)
        try await node.restart()
        #expect(node.node.administratorToken == token)
        let page = try await node.eventually("\(logs)?per_page=50") { $0.json?["result"]?.count == 20 }
        #expect(page.json?["result"]?.count == 20)
        #expect(page.json?["result_info"]?["total_count"]?.integer == 20)
        let edited = try await node.eventually("\(logs)/\(ids[3])") { $0.json?["result"]?["feedback"] != nil }
        #expect(edited.json?["result"]?["score"] == .integer(87))
        for id in ids { #expect(try await node.manage("GET", "\(logs)/\(id)").status == 200) }
        try await node.remove()
    }

    @Test("a database that was lost is built again from the log")
    func rebuild() async throws {
        let node = try await TestNode.start()
        for number in 0..<10 { _ = try await node.chat("call \(number)") }
        _ = try await node.eventually("\(logs)?per_page=50") { $0.json?["result"]?.count == 10 }
        try await node.stop()
        try FileManager.default.removeItem(atPath: node.state + "/objects")
        try await node.restartAfterStop()
        let page = try await node.eventually("\(logs)?per_page=50") { $0.json?["result"]?.count == 10 }
        #expect(page.json?["result"]?.count == 10)
        try await node.remove()
    }

    @Test("a gateway made through the API serves at once, its caps hold, and its rows go with it")
    func gateways() async throws {
        let node = try await TestNode.start()
        let account = try await node.manage(
            "POST", "",
            body: #"{"id":"acme","name":"Acme","plan":"free","entitlements":{"rowsPerAccount":5,"gateways":1}}"#)
        #expect(account.status == 200 || account.status == 201, "\(String(decoding: account.body, as: UTF8.self))")
        let create = #"""
            {"id":"prod","cache_invalidate_on_update":false,"cache_ttl":0,"collect_logs":true,"rate_limiting_interval":0,
             "rate_limiting_limit":0,"authentication":true,"log_management_strategy":"STOP_INSERTING"}
            """#
        let made = try await node.manage("POST", "/acme/ai-gateway/gateways", body: create)
        #expect(made.status == 200, "\(String(decoding: made.body, as: UTF8.self))")
        let second = create.replacing("prod", with: "other")
        #expect(try await node.manage("POST", "/acme/ai-gateway/gateways", body: second).status >= 400)

        #expect(try await node.chat("x", account: "acme", gateway: "prod").status == 401)
        let minted = try await node.manage("POST", "/acme/tokens", body: #"{"name":"app","permissions":["run"]}"#)
        let secret = try #require(minted.json?["result"]?["secret"]?.text)
        for number in 0..<9 {
            let answer = try await node.chat(
                "call \(number)", account: "acme", gateway: "prod",
                headers: ["cf-aig-authorization": "Bearer \(secret)"])
            #expect(answer.status == 200)
        }
        let page = try await node.eventually("/acme/ai-gateway/gateways/prod/logs") {
            $0.json?["result_info"]?["total_count"]?.integer == 5
        }
        #expect(page.json?["result_info"]?["total_count"]?.integer == 5)
        let usage = try await node.eventually("/acme/usage") { $0.json?["result"]?["rows"]?["live"]?.integer == 5 }
        #expect(usage.json?["result"]?["rows"]?["live"]?.integer == 5)

        #expect(try await node.manage("DELETE", "/acme/ai-gateway/gateways/prod").status == 200)
        #expect(try await node.manage("GET", "/acme/ai-gateway/gateways/prod/logs").status == 404)
        let gone = try await node.chat("x", account: "acme", gateway: "prod")
        #expect(gone.status == 400)
        #expect(gone.json?["error"]?[0]?["code"]?.integer == 2001)
        #expect(try await node.manage("POST", "/acme/ai-gateway/gateways", body: create).status == 200)
        let empty = try await node.manage("GET", "/acme/ai-gateway/gateways/prod/logs")
        #expect(empty.json?["result"]?.count == 0)
        try await node.remove()
    }

    @Test("health, status and metrics answer, and a second process on the same state is refused")
    func surroundings() async throws {
        let node = try await TestNode.start()
        #expect(try await node.call("GET", "/healthz").status == 200)
        #expect(try await node.call("GET", "/readyz").status == 200)
        #expect(try await node.call("GET", "/status").status == 401)
        let status = try await node.call(
            "GET", "/status", headers: ["authorization": "Bearer \(node.node.administratorToken)"])
        #expect(status.json?["state"]?.text == "serving")
        #expect(status.json?["slots"]?.count == 16)
        let metrics = try await node.call("GET", "/metrics")
        #expect(metrics.status == 200)
        await #expect(throws: TidegateError.self) {
            _ = try await TestNode.start { $0.state = node.state }
        }
        try await node.remove()
    }
}
