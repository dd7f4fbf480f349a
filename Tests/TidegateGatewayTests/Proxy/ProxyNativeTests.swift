import Synchronization
import Testing
import TidegateCore

@testable import TidegateGateway

@Suite("Provider-native calls", .timeLimit(.minutes(1)))
struct ProxyNativeTests {
    @Test("method, path, query, fields and body pass as they came; ours do not")
    func passesUnchanged() async throws {
        let seen = Mutex("")
        try await ProxyStage.run(script: { peer, request, _ in
            seen.withLock { $0 = request }
            peer.send(ProxyStage.answer(ProxyStage.chat, extra: "X-Up: 1\r\ncf-aig-step: 9\r\n"))
        }) { stage in
            let answer = try await stage.ask(
                "PATCH /v1/acc/g/openai/a%2Fb//c?x=1&key=s%20t HTTP/1.1\r\nHost: h\r\nX-Odd: a  b\r\nAuthorization: Bearer sk\r\n"
                    + "cf-aig-event-id: order-1\r\ncf-aig-metadata: {\"team\":\"a\"}\r\nConnection: keep-alive, x-hop\r\n"
                    + "X-Hop: 1\r\nContent-Length: 3\r\n\r\n\u{1}\u{2}z")
            #expect(answer.statusCode == 200)
            #expect(answer.has(ProxyStage.chat))
            #expect(answer.has("X-Up: 1") && !answer.has("cf-aig-step: 9") && answer.has("cf-aig-step: 0"))
            #expect(answer.has("cf-aig-event-id: order-1") && answer.has("x-tidegate-overhead-ms: "))
            let request = seen.withLock { $0 }
            #expect(request.hasPrefix("PATCH /v1/a%2Fb//c?x=1&key=s%20t HTTP/1.1"))
            #expect(request.has("X-Odd: a  b") && request.has("Authorization: Bearer sk"))
            #expect(!request.has("cf-aig") && !request.has("X-Hop") && request.hasSuffix("\u{1}\u{2}z"))
            let row = try #require(await stage.capture.rows(1).first)
            #expect(row.path == "/v1/a%2Fb//c?x=1&key=***" && row.method == "PATCH" && row.provider == "openai")
            #expect(row.eventID == "order-1" && row.metadata == "{\"team\":\"a\"}" && row.statusCode == 200)
            #expect(Array(row.requestBody) == [1, 2, 0x7A] && row.requestBytes == 3)
            #expect(Array(row.responseBody) == Array(ProxyStage.chat.utf8))
            #expect(answer.has("cf-aig-log-id: \(row.id)") && answer.has("cf-aig-request-id: \(row.id)"))
        }
    }

    @Test("a short answer is recorded before it leaves, in one write without an intent")
    func shortAnswer() async throws {
        try await ProxyStage.run { stage in
            let client = try await stage.client()
            stage.capture.watch(client)
            client.send(ProxyStage.post("/openai/chat/completions"))
            #expect(await client.answer().has(ProxyStage.chat))
            #expect(stage.capture.calls == ["admit", "complete 0"])
            let row = try #require(stage.capture.rows.first)
            #expect(row.model == "gpt-4o-mini-2024-07-18" && row.usage?.input == 10 && row.usage?.output == 5)
            #expect(row.usageSource == .provider && row.cost == PicoUSD(rawValue: 10 * 150_000 + 5 * 600_000))
            #expect(!row.priceVersion.isEmpty)
            client.close()
        }
    }

    @Test("events leave as they come: intent before the first byte, completion before the last")
    func stream() async throws {
        let peers = Mutex<RawPeerBox?>(nil)
        try await ProxyStage.run(script: { peer, _, _ in
            peers.withLock { $0 = RawPeerBox(peer) }
            peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            peer.event("{\"model\":\"m\",\"choices\":[]}")
        }) { stage in
            let client = try await stage.client()
            stage.capture.watch(client)
            client.send(ProxyStage.post("/openai/chat/completions"))
            #expect(await client.wait(for: "data: {\"model\""))
            #expect(stage.capture.calls == ["admit", "intent 0"])
            let announced = try #require(stage.capture.state.withLock { $0.announced.first })
            #expect(announced.provider == "openai" && announced.model == "gpt-4o-mini" && announced.statusCode == 200)
            #expect(!announced.eventID.isEmpty && announced.outcome == .aborted && announced.requestBody.isEmpty)
            let box = try #require(peers.withLock { $0 })
            box.run { $0.event("{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}") }
            #expect(await client.wait(for: "prompt_tokens"))
            box.run { $0.send("e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n") }
            #expect(await client.answer().has("[DONE]"))
            let row = try #require(await stage.capture.rows(1).first)
            #expect(row.flags.contains(.streamed) && row.usage?.input == 3 && row.usage?.output == 4)
            #expect(stage.capture.calls.last?.hasPrefix("complete") == true)
            client.close()
        }
    }

    @Test("in mode power the last byte waits until the row is durable")
    func pending() async throws {
        try await ProxyStage.run { stage in
            stage.capture.state.withLock { $0.isPending = true }
            let client = try await stage.client()
            client.send(ProxyStage.post("/openai/chat/completions"))
            _ = await stage.capture.rows(1)
            #expect(client.receivedBytes == 0)
            let release = stage.capture.state.withLock { $0.release }
            for done in release { done(nil) }
            #expect(await client.answer().has(ProxyStage.chat))
            client.close()
        }
    }

    @Test(
        "errors have the reference's bodies",
        arguments: [
            ("/v1/acc/nope/openai/x", 400, "2001"), ("/v1/acc/g/nonesuch/x", 400, "2008"), ("/v1/acc", 400, "7000"),
            ("/v1/acc/g/openai/../x", 400, "7000"), ("/v1/acc/g/groq/models", 400, "2005"),
            ("/v1/acc/down/openai/x", 503, "2005"),
        ])
    func errors(path: String, status: Int, code: String) async throws {
        try await ProxyStage.run { stage in
            let answer = try await stage.ask("GET \(path) HTTP/1.1\r\nHost: h\r\n\r\n")
            #expect(answer.statusCode == status)
            #expect(answer.has("\"code\":\(code)") && answer.has("\"success\":false"))
            if code == "2001", path.has("nope") { #expect(answer.has("tidegate gateway create nope --account acc")) }
            #expect(answer.has("cf-aig-request-id: ") && answer.has("x-tidegate-overhead-ms: "))
            if path.has("groq") {
                let row = try #require(await stage.capture.rows(1).first)
                #expect(row.outcome == .upstreamFailed && row.statusCode == 400)
            }
        }
    }

    @Test("a gateway nobody has seen yet is looked up, and the request waits")
    func coldGateway() async throws {
        try await ProxyStage.run { stage in
            stage.directory.goCold()
            let answer = try await stage.ask(ProxyStage.post("/openai/chat/completions"))
            #expect(answer.has(ProxyStage.chat))
            #expect(await stage.capture.rows(1).first?.requestBytes == 23)
        }
    }

    @Test("collect-log and collect-log-payload do what they say", arguments: ["log", "payload"])
    func switches(what: String) async throws {
        try await ProxyStage.run { stage in
            let field = what == "log" ? "cf-aig-collect-log: false\r\n" : "cf-aig-collect-log-payload: false\r\n"
            let answer = try await stage.ask(ProxyStage.post("/openai/chat/completions", headers: field))
            #expect(answer.has("cf-aig-log-id") == (what == "payload"))
            if what == "log" {
                #expect(stage.capture.calls.isEmpty)
            } else {
                let row = try #require(await stage.capture.rows(1).first)
                #expect(row.requestBody.isEmpty && row.responseBody.isEmpty && row.usage?.input == 10)
                #expect(row.flags.contains(.bodiesOmitted) && row.requestBytes == 23)
            }
        }
    }

    @Test("a full outbox does what the gateway's policy says", arguments: FullOutboxPolicy.allCases)
    func fullOutbox(policy: FullOutboxPolicy) async throws {
        try await ProxyStage.run { stage in
            stage.directory.add("g") { $0.fullOutboxPolicy = policy }
            stage.capture.state.withLock { $0.admission = policy == .reject ? .reject : .proxyWithoutLog }
            let answer = try await stage.ask(ProxyStage.post("/openai/chat/completions"))
            #expect(answer.statusCode == (policy == .reject ? 429 : 200))
            #expect(!answer.has("cf-aig-log-id"))
        }
    }

    @Test("a capture that fails follows the policy before the answer", arguments: FullOutboxPolicy.allCases)
    func captureFails(policy: FullOutboxPolicy) async throws {
        try await ProxyStage.run { stage in
            stage.directory.add("g") { $0.fullOutboxPolicy = policy }
            stage.capture.state.withLock { $0.fails = true }
            let answer = try await stage.ask(ProxyStage.post("/openai/chat/completions"))
            #expect(answer.statusCode == (policy == .reject ? 429 : 200))
        }
    }
}
