import Testing
import TidegateCore

@testable import TidegateManagement

@Suite("Access")
struct AccessTests {
    let bench = Bench()

    @Test("without a good credential it is 401 with code 10000", arguments: [nil, "", "wrong", "tg_wrong"])
    func unknown(token: String?) async {
        let reply = await bench.call("GET", Bench.gateways, token: token)
        #expect(reply.status == 401)
        #expect(reply.json?["errors"]?[0]?["code"] == .integer(10000))
    }

    @Test("the key pair counts like a token, but only with an email")
    func keyPair() async {
        let key = (name: "X-Auth-Key", value: Bench.secret)
        let both = [(name: "X-Auth-Email", value: "a@b.c"), key]
        #expect(await bench.call("GET", Bench.gateways, token: nil, headers: both).status == 200)
        #expect(await bench.call("GET", Bench.gateways, token: nil, headers: [key]).status == 401)
    }

    @Test(
        "rights decide: edit implies read, run gives neither",
        arguments: [("run", 403, 403), ("read", 200, 403), ("edit", 200, 200)])
    func rights(permission: String, read: Int, edit: Int) async {
        await bench.makeGateway()
        let token = await bench.makeToken("\"permissions\":[\"\(permission)\"]")
        let path = Bench.gateways + "/prod"
        #expect(await bench.call("GET", path, token: token).status == read)
        #expect(await bench.call("GET", Bench.gateways, token: token).status == read)
        #expect(await bench.call("PUT", path, "{\(Bench.gatewayBody)}", token: token).status == edit)
        #expect(await bench.call("DELETE", path + "/logs", token: token).status == edit)
        #expect(await bench.call("GET", "/client/v4/accounts", token: token).status == 401)
        #expect(await bench.call("GET", "/client/v4/accounts/acme", token: token).status == 403)
        #expect(await bench.call("GET", "/client/v4/accounts/acme/tokens", token: token).status == 403)
        #expect(await bench.call("GET", "/status?account=acme", token: token).status == read)
    }

    @Test("a narrowed token sees and changes only its gateways")
    func scope() async {
        await bench.makeGateway("mine")
        await bench.makeGateway("yours")
        let token = await bench.makeToken(#""permissions":["edit"],"gateways":["mine"]"#)
        let list = await bench.call("GET", Bench.gateways, token: token)
        #expect(list.result?.count == 1)
        #expect(await bench.call("GET", Bench.gateways + "/mine", token: token).status == 200)
        #expect(await bench.call("GET", Bench.gateways + "/yours/logs", token: token).status == 403)
        let made = await bench.call("POST", Bench.gateways, "{}", token: token)
        #expect(made.status == 403)
    }

    @Test("a token of one account opens nothing in another")
    func foreign() async {
        let token = await bench.makeToken(#""permissions":["edit"]"#)
        let other = "/client/v4/accounts/other/ai-gateway/gateways"
        #expect(await bench.call("GET", other, token: token).status == 401)
    }

    @Test("a revoked token is refused")
    func revoked() async {
        let token = await bench.makeToken(#""permissions":["read"]"#)
        let path = "/client/v4/accounts/acme/tokens"
        let id = await bench.call("GET", path).result?[0]?["id"]?.text ?? ""
        #expect(await bench.call("DELETE", path + "/" + id).status == 200)
        #expect(await bench.call("GET", Bench.gateways, token: token).status == 401)
    }

    @Test("probes, metrics and the dashboard are open", arguments: ["/healthz", "/readyz", "/metrics", "/"])
    func open(path: String) async {
        #expect(await bench.call("GET", path, token: nil).status == 200)
    }

    @Test("digests match only themselves")
    func digests() {
        let one = TokenDigest(ofSecret: "a")
        #expect(one.matches(TokenDigest(ofSecret: "a")))
        #expect(!one.matches(TokenDigest(ofSecret: "b")))
        #expect(one.hex == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb")
    }
}
