import Synchronization
import Testing
import TidegateCore

@testable import TidegateGateway

@Suite("Gateway tokens", .timeLimit(.minutes(1)))
struct ProxyTokenTests {
    @Test(
        "authentication: what is sent, what passes, what the provider sees",
        arguments: [
            ("cf-aig-authorization: Bearer tg_good\r\nAuthorization: Bearer sk", 200, "sk"),
            ("cf-aig-authorization: tg_good", 200, ""), ("Authorization: Bearer tg_good", 200, ""),
            ("x-api-key: tg_good", 200, ""), ("Authorization: Bearer sk", 401, ""), ("X-Nothing: 1", 401, ""),
            ("cf-aig-authorization: Bearer tg_bad\r\nAuthorization: Bearer tg_good", 401, ""),
            ("cf-aig-authorization: Bearer tg_read", 401, ""), ("cf-aig-authorization: Bearer tg_old", 401, ""),
            ("cf-aig-authorization: Bearer tg_other", 401, ""),
            ("cf-aig-authorization: \r\nAuthorization: Bearer tg_good", 200, ""), ("xi-api-key: tg_good", 200, ""),
            ("Authorization: Token tg_good", 200, ""), ("Authorization: key tg_good", 200, ""),
            ("Authorization: Bearer  tg_good", 200, ""),
        ])
    func authentication(fields: String, status: Int, key: String) async throws {
        let seen = Mutex("")
        try await ProxyStage.run(script: { peer, request, _ in
            seen.withLock { $0 = request }
            peer.send(ProxyStage.answer(ProxyStage.chat))
        }) { stage in
            stage.directory.add("locked") { $0.authentication = true }
            stage.directory.addToken("tg_good")
            stage.directory.addToken("tg_read", [.read])
            stage.directory.addToken("tg_old", expiresAtMs: 1)
            stage.directory.addToken("tg_other", gateways: ["else"])
            let answer = try await stage.ask(
                ProxyStage.post("/openai/x", headers: fields + "\r\n", gateway: "locked"))
            #expect(answer.statusCode == status)
            let request = seen.withLock { $0 }
            #expect(!request.has("tg_") && request.has("sk") == (key == "sk"))
            if status == 401 {
                #expect(answer.has("\"code\":2009") && stage.capture.calls.isEmpty)
            } else {
                #expect(await stage.capture.rows(1).first?.flags.contains(.authenticated) == true)
            }
        }
    }

    @Test("a token of ours sent as the provider's key never reaches the provider, also without authentication")
    func strayToken() async throws {
        let seen = Mutex("")
        try await ProxyStage.run(script: { peer, request, _ in
            seen.withLock { $0 = request }
            peer.send(ProxyStage.answer(ProxyStage.chat))
        }) { stage in
            stage.directory.addToken("tg_good")
            stage.directory.goCold()
            let answer = try await stage.ask(
                ProxyStage.post("/openai/x", headers: "Authorization: Bearer tg_good\r\n"))
            #expect(answer.statusCode == 200 && !seen.withLock { $0 }.has("tg_good"))
        }
    }

    @Test("Google's clients may put the token where they put their key: in the query")
    func queryKey() async throws {
        let seen = Mutex("")
        try await ProxyStage.run(script: { peer, request, _ in
            seen.withLock { $0 = request }
            peer.send(ProxyStage.answer("{}"))
        }) { stage in
            stage.directory.add("locked") { $0.authentication = true }
            stage.directory.addToken("tg_good")
            let path = "/google-ai-studio/v1beta/models/gemini-2.5-flash:generateContent"
            let answer = try await stage.ask(ProxyStage.post(path + "?alt=sse&key=tg_good", gateway: "locked"))
            #expect(answer.statusCode == 200)
            #expect(seen.withLock { $0 }.hasPrefix("POST /v1beta/models/gemini-2.5-flash:generateContent?alt=sse HTTP"))
            let wrong = try await stage.ask(ProxyStage.post(path + "?key=other", gateway: "locked"))
            #expect(wrong.statusCode == 401)
        }
    }

    @Test("a token of ours among a universal step's own headers never reaches the provider")
    func stepToken() async throws {
        let seen = Mutex("")
        try await ProxyStage.run(script: { peer, request, _ in
            seen.withLock { $0 = request }
            peer.send(ProxyStage.answer(ProxyStage.chat))
        }) { stage in
            stage.directory.addToken("tg_good")
            for endpoint in ["openai", "compat"] {
                let step = """
                    [{"provider":"\(endpoint)","endpoint":"chat/completions","query":{"model":"openai/m"},\
                    "headers":{"Authorization":"Bearer tg_good","x-kept":"1"}}]
                    """
                let answer = try await stage.ask(ProxyStage.post("", step))
                #expect(answer.statusCode == 200)
                #expect(seen.withLock { $0 }.has("x-kept") && !seen.withLock { $0 }.has("tg_good"))
            }
        }
    }
}
