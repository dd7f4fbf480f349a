import Synchronization
import Testing
import TidegateCore

@testable import TidegateGateway

@Suite("Universal and compat calls", .timeLimit(.minutes(1)))
struct ProxyStepTests {
    private func steps(_ steps: String...) -> String {
        ProxyStage.post("", "[\(steps.joined(separator: ","))]")
    }
    private func step(_ provider: String, _ config: String = "{}", model: String = "m") -> String {
        "{\"provider\":\"\(provider)\",\"endpoint\":\"v1/x\",\"headers\":{},\"query\":{\"model\":\"\(model)\"},"
            + "\"config\":\(config)}"
    }

    @Test("a step that fails hands over to the next, and each has its row")
    func fallback() async throws {
        try await ProxyStage.run(script: { peer, request, _ in
            peer.send(
                request.has("\"model\":\"bad\"")
                    ? ProxyStage.answer("{\"error\":1}", status: "401 Unauthorized")
                    : ProxyStage.answer(ProxyStage.chat))
        }) { stage in
            let answer = try await stage.ask(steps(step("openai", model: "bad"), step("openai")))
            #expect(answer.statusCode == 200 && answer.has("cf-aig-step: 1") && answer.has(ProxyStage.chat))
            let rows = await stage.capture.rows(2)
            #expect(rows.map(\.step) == [0, 1] && rows.map(\.statusCode) == [401, 200])
            #expect(rows[0].id != rows[1].id && rows[0].requestType == "universal")
            #expect(String(decoding: rows[0].responseBody, as: UTF8.self) == "{\"error\":1}")
            #expect(answer.has("cf-aig-log-id: \(rows[1].id)"))
        }
    }

    @Test("when all steps fail, the last answer is the client's")
    func allFail() async throws {
        try await ProxyStage.run(script: { peer, request, _ in
            let model = request.has("\"model\":\"a\"") ? "a" : "b"
            peer.send(ProxyStage.answer("from \(model)", status: "400 Bad Request"))
        }) { stage in
            let answer = try await stage.ask(steps(step("openai", model: "a"), step("openai", model: "b")))
            #expect(answer.statusCode == 400 && answer.hasSuffix("from b") && answer.has("cf-aig-step: 1"))
        }
    }

    @Test("attempts are spent on the same step before the next, and counted in its row")
    func retries() async throws {
        let calls = Mutex(0)
        try await ProxyStage.run(script: { peer, _, _ in
            let call = calls.withLock { calls in
                calls += 1
                return calls
            }
            peer.send(
                call < 3
                    ? ProxyStage.answer("busy", status: "503 Service Unavailable") : ProxyStage.answer(ProxyStage.chat))
        }) { stage in
            let config = "{\"maxAttempts\":3,\"retryDelay\":1,\"backoff\":\"linear\"}"
            let answer = try await stage.ask(steps(step("openai", config), step("openai")))
            #expect(answer.statusCode == 200 && answer.has("cf-aig-step: 0"))
            let rows = await stage.capture.rows(1)
            #expect(rows.count == 1 && rows[0].attempts == 3 && calls.withLock { $0 } == 3)
        }
    }

    @Test("retries of a native call send its body again")
    func nativeRetry() async throws {
        let bodies = Mutex<[Bool]>([])
        try await ProxyStage.run(script: { peer, request, _ in
            let number = bodies.withLock { bodies in
                bodies.append(request.hasSuffix("{\"model\":\"gpt-4o-mini\"}"))
                return bodies.count
            }
            peer.send(
                number == 1
                    ? ProxyStage.answer("busy", status: "429 Too Many Requests") : ProxyStage.answer(ProxyStage.chat))
        }) { stage in
            let answer = try await stage.ask(
                ProxyStage.post("/openai/chat/completions", headers: "cf-aig-max-attempts: 2\r\n"))
            #expect(answer.statusCode == 200)
            #expect(bodies.withLock { $0 } == [true, true])
        }
    }

    @Test("a step without a first byte in time hands over; a native call gets 2005")
    func timeouts() async throws {
        try await ProxyStage.run(script: { peer, request, _ in
            if !request.has("\"model\":\"slow\"") { peer.send(ProxyStage.answer(ProxyStage.chat)) }
        }) { stage in
            let answer = try await stage.ask(
                steps(step("openai", "{\"requestTimeout\":20}", model: "slow"), step("openai")))
            #expect(answer.statusCode == 200 && answer.has("cf-aig-step: 1"))
            let native = try await stage.ask(
                ProxyStage.post("/openai/x", "{\"model\":\"slow\"}", headers: "cf-aig-request-timeout: 20\r\n"))
            #expect(native.statusCode == 400 && native.has("\"code\":2005"))
            #expect(await stage.capture.rows(3).map(\.outcome) == [.timedOut, .completed, .timedOut])
        }
    }

    @Test("an unreachable provider hands over")
    func unreachable() async throws {
        try await ProxyStage.run { stage in
            let answer = try await stage.ask(steps(step("groq"), step("openai")))
            #expect(answer.statusCode == 200 && answer.has("cf-aig-step: 1"))
            #expect(await stage.capture.rows(2).map(\.outcome) == [.upstreamFailed, .completed])
        }
    }

    @Test(
        "malformed lists are refused before anything runs", arguments: ["", "{", "[]", "[1]", "[{\"provider\":\"x\"}]"])
    func malformed(body: String) async throws {
        try await ProxyStage.run { stage in
            let answer = try await stage.ask(ProxyStage.post("", body))
            #expect(answer.statusCode == 400)
            #expect(stage.capture.calls.isEmpty && stage.server.accepted == 0)
        }
    }

    @Test("compat goes to the provider its model names", arguments: ["/compat/", "/compat/v1/"])
    func compat(prefix: String) async throws {
        let seen = Mutex("")
        try await ProxyStage.run(script: { peer, request, _ in
            seen.withLock { $0 = request }
            peer.send(ProxyStage.answer(ProxyStage.chat))
        }) { stage in
            let answer = try await stage.ask(
                ProxyStage.post(prefix + "chat/completions", "{\"model\":\"openai/gpt-4o-mini\",\"n\":1}"))
            #expect(answer.statusCode == 200)
            #expect(seen.withLock { $0 }.hasPrefix("POST /v1/chat/completions"))
            #expect(seen.withLock { $0 }.hasSuffix("{\"model\":\"gpt-4o-mini\",\"n\":1}"))
            let row = try #require(await stage.capture.rows(1).first)
            #expect(row.flags.contains(.compatibility) && row.provider == "openai")
            #expect(String(decoding: row.requestBody, as: UTF8.self).has("openai/gpt-4o-mini"))
            let bad = try await stage.ask(ProxyStage.post(prefix + "chat/completions", "{\"model\":\"gpt-4o\"}"))
            #expect(bad.statusCode == 400 && bad.has("2019"))
            let models = try await stage.ask("GET /v1/acc/g\(prefix)models HTTP/1.1\r\nHost: h\r\n\r\n")
            #expect(models.has("\"id\":\"openai/gpt-4o-mini\""))
        }
    }

    @Test(
        "authentication: what is sent, what passes, what the provider sees",
        arguments: [
            ("cf-aig-authorization: Bearer tg_good\r\nAuthorization: Bearer sk", 200, "sk"),
            ("cf-aig-authorization: tg_good", 200, ""), ("Authorization: Bearer tg_good", 200, ""),
            ("x-api-key: tg_good", 200, ""), ("Authorization: Bearer sk", 401, ""), ("X-Nothing: 1", 401, ""),
            ("cf-aig-authorization: Bearer tg_bad\r\nAuthorization: Bearer tg_good", 401, ""),
            ("cf-aig-authorization: Bearer tg_read", 401, ""), ("cf-aig-authorization: Bearer tg_old", 401, ""),
            ("cf-aig-authorization: Bearer tg_other", 401, ""),
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

    @Test("many connections at once: every call answered, every row there")
    func crowd() async throws {
        try await ProxyStage.run { stage in
            try await withThrowingDiscardingTaskGroup { group in
                for _ in 0..<50 {
                    group.addTask {
                        let client = try await stage.client()
                        for number in 1...5 {
                            client.send(ProxyStage.post("/openai/chat/completions"))
                            #expect(await client.wait { $0.count(of: "HTTP/1.1 200 OK") == number })
                            #expect(await client.wait { $0.count(of: "\"total_tokens\":15}}") == number })
                        }
                        client.close()
                    }
                }
            }
            #expect(await stage.capture.rows(250).count == 250)
            #expect(Set(stage.capture.rows.map(\.id)).count == 250)
        }
    }
}

extension [UInt8] {
    /// How often `text` occurs.
    fileprivate func count(of text: String) -> Int {
        let wanted = Array(text.utf8)
        guard count >= wanted.count else { return 0 }
        return (0...(count - wanted.count)).count { start in
            self[start] == wanted[0] && self[start..<(start + wanted.count)].elementsEqual(wanted)
        }
    }
}
