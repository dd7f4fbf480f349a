import Synchronization
import Testing
import TidegateCore

@testable import TidegateManagement

@Suite("Node, accounts and strays")
struct NodeRouteTests {
    let bench = Bench()

    @Test("a path that does not exist is 404 with code 7000; a method that does not is 405")
    func strays() async {
        let stray = await bench.call("GET", "/client/v4/nothing")
        #expect(stray.status == 404)
        #expect(stray.json?["errors"]?[0]?["code"] == .integer(7000))
        let method = await bench.call("PATCH", Bench.gateways)
        #expect(method.status == 405)
        #expect(method.header("allow") == "GET, POST")
    }

    @Test("resources of later versions say so", arguments: ["datasets", "evaluations/1", "provider_configs", "routes"])
    func later(name: String) async {
        #expect(await bench.call("GET", Bench.gateways + "/prod/" + name).status == 501)
    }

    @Test("not ready is 503 with its reason")
    func readiness() async {
        bench.status.reason.withLock { $0 = "draining" }
        let reply = await bench.call("GET", "/readyz", token: nil)
        #expect(reply.status == 503)
        #expect(reply.text == "draining\n")
    }

    @Test("HEAD has no body, and a body that is too long is refused")
    func edges() async {
        let head = await bench.call("HEAD", "/healthz", token: nil)
        #expect(head.status == 200)
        #expect(head.bytes.isEmpty)
        let long = String(repeating: " ", count: ManagementAPI.bodyBytesMax + 1)
        #expect(await bench.call("POST", Bench.gateways, long).status == 413)
    }

    @Test("accounts are made, changed, listed and deleted")
    func accounts() async {
        let base = "/client/v4/accounts"
        let made = await bench.call(
            "POST", base,
            #"{"id":"acme","name":"Acme","plan":"paid","entitlements":{"gateways":50,"rowsPerGateway":null}}"#)
        #expect(made.result?["entitlements"]?["gateways"] == .integer(50))
        #expect(made.result?["entitlements"]?["rowsPerGateway"] == .null)
        #expect(await bench.call("POST", base, #"{"id":"acme","name":"A"}"#).status == 409)
        #expect(await bench.call("POST", base, #"{"id":"A","name":"A"}"#).status == 400)
        let changed = await bench.call("PATCH", base + "/acme", #"{"plan":"free"}"#)
        #expect(changed.result?["plan"] == .string("free"))
        #expect(await bench.call("GET", base + "?page=2").result?.count == 0)
        #expect(await bench.call("DELETE", base + "/acme").status == 200)
        #expect(await bench.call("GET", base + "/acme").status == 404)
    }

    @Test("a token's secret is shown once and kept as its hash")
    func tokens() async throws {
        let path = "/client/v4/accounts/acme/tokens"
        let made = await bench.call(
            "POST", path, #"{"name":"app","permissions":["run"],"expiresAt":"2027-01-01T00:00:00Z"}"#)
        let secret = try #require(made.result?["secret"]?.text)
        #expect(secret.hasPrefix("tg_"))
        #expect(secret.utf8.count == 46)
        #expect(made.result?["expiresAt"] == .string("2027-01-01T00:00:00Z"))
        let kept = try await bench.accounts.tokens(of: "acme")
        #expect(kept[0].digest == TokenDigest(ofSecret: secret).hex)
        #expect(await !bench.call("GET", path).text.contains("secret"))
        for body in [
            #"{"name":"a","permissions":[]}"#, #"{"name":"a","permissions":["all"]}"#, #"{"permissions":["run"]}"#,
            #"{"name":"a","permissions":["run"],"expiresAt":"2020-01-01T00:00:00Z"}"#,
            #"{"name":"a","permissions":["run"],"gateways":["A b"]}"#,
        ] { #expect(await bench.call("POST", path, body).status == 400) }
    }

    @Test("usage has the shape of the interfaces page")
    func usage() async {
        await bench.makeGateway()
        let reply = await bench.call("GET", "/client/v4/accounts/acme/usage")
        #expect(
            reply.text.contains(
                #"{"plan":"paid","gateways":{"count":1,"cap":20},"rows":{"live":800,"cap":null},"#
                    + #""perGateway":[{"id":"prod","live":800,"allowance":1800,"cap":10000000}]}"#))
    }

    @Test("the dashboard comes with a policy that forbids inline script, and is not sent twice")
    func dashboard() async {
        let page = await bench.call("GET", "/", token: nil)
        #expect(page.header("content-type") == "text/html; charset=utf-8")
        #expect(page.header("content-security-policy")?.contains("script-src 'self'") == true)
        let tag = page.header("etag") ?? ""
        let again = await bench.call("GET", "/", token: nil, headers: [(name: "if-none-match", value: tag)])
        #expect(again.status == 304)
        #expect(again.bytes.isEmpty)
        for asset in ["app.js", "lib/api.js", "views/logs.js", "styles/main.css"] {
            #expect(await bench.call("GET", "/assets/" + asset, token: nil).status == 200)
        }
        #expect(!page.text.contains("<script>"))
    }
}
