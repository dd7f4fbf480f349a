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
            #expect(models.has("\"id\":\"openai/gpt-4o-mini\"") && models.has("\"id\":\"grok/grok-"))
            #expect(models.has("\"id\":\"google-ai-studio/gemini-") && !models.has("\"id\":\"anthropic/"))
        }
    }

    @Test("a compat call that fails has the provider's name of the model in its row")
    func compatFailure() async throws {
        try await ProxyStage.run(script: { peer, _, _ in
            peer.send(ProxyStage.answer("{\"error\":1}", status: "500 Internal Server Error"))
        }) { stage in
            let answer = try await stage.ask(
                ProxyStage.post("/compat/chat/completions", "{\"model\":\"openai/gpt-4o-mini\"}"))
            #expect(answer.statusCode == 500)
            #expect(await stage.capture.rows(1).first?.model == "gpt-4o-mini")
        }
    }

    @Test("the row of a failed step keeps its status, however long its answer", arguments: [100, 3_000_000])
    func failedStatus(bytes: Int) async throws {
        try await ProxyStage.run(script: { peer, request, _ in
            peer.send(
                request.has("\"model\":\"bad\"")
                    ? ProxyStage.answer(String(repeating: "x", count: bytes), status: "500 Internal Server Error")
                    : ProxyStage.answer(ProxyStage.chat))
        }) { stage in
            let answer = try await stage.ask(steps(step("openai", model: "bad"), step("openai")))
            #expect(answer.statusCode == 200 && answer.has("cf-aig-step: 1"))
            #expect(await stage.capture.rows(2).map(\.statusCode) == [500, 200])
        }
    }

    @Test("a fixed price is charged for an answer, not for a failure", arguments: [200, 500])
    func totalCost(status: Int) async throws {
        try await ProxyStage.run(script: { peer, _, _ in
            peer.send(ProxyStage.answer("{}", status: status == 200 ? "200 OK" : "500 Internal Server Error"))
        }) { stage in
            let fields = "cf-aig-custom-cost: {\"total_cost\":0.5}\r\n"
            _ = try await stage.ask(ProxyStage.post("/openai/x", headers: fields))
            let row = try #require(await stage.capture.rows(1).first)
            #expect(row.cost?.usd == (status == 200 ? 0.5 : nil))
        }
    }

    @Test(
        "a call without a body is asked again, however it says that it has none",
        arguments: ["", "Content-Length: 0\r\n"])
    func emptyBodyRetry(field: String) async throws {
        let calls = Mutex(0)
        try await ProxyStage.run(script: { peer, _, _ in
            let isFirst = calls.withLock { calls in
                calls += 1
                return calls == 1
            }
            peer.send(
                isFirst
                    ? ProxyStage.answer("busy", status: "503 Service Unavailable") : ProxyStage.answer(ProxyStage.chat))
        }) { stage in
            let answer = try await stage.ask(
                "POST /v1/acc/g/openai/x HTTP/1.1\r\nHost: h\r\n\(field)cf-aig-max-attempts: 2\r\n\r\n")
            #expect(answer.statusCode == 200)
            #expect(await stage.capture.rows(1).first?.attempts == 2)
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
