import Foundation
import NIOHTTP1
import Testing

@testable import TidegateTools

/// Faults, refusals and their dialects.
@Suite struct MockFaultTests {
    @Test("a fault's share of calls is its rate", arguments: MockFate.Fault.allCases)
    func rates(fault: MockFate.Fault) {
        var behaviour = MockBehaviour()
        behaviour.errorRate = 0.2
        behaviour.rateLimitRate = 0.1
        behaviour.stallRate = 0.1
        behaviour.cutRate = 0.1
        behaviour.malformedRate = 0.1
        let hits = (0..<20_000).count { MockFate(behaviour, ordinal: $0).fault == fault }
        #expect(abs(Double(hits) / 20_000 - 0.1) < 0.01)
    }

    @Test("no rates, no faults; a rate of 1 leaves no call alone")
    func extremes() {
        var behaviour = MockBehaviour()
        #expect((0..<1_000).allSatisfy { MockFate(behaviour, ordinal: $0).fault == nil })
        behaviour.stallRate = 1
        #expect((0..<1_000).allSatisfy { MockFate(behaviour, ordinal: $0).fault == .stall })
    }

    @Test("a seed replays faults, jitter and words; another seed does not")
    func determinism() {
        func run(seed: UInt64) -> [MockAnswer] {
            var behaviour = MockBehaviour()
            behaviour.seed = seed
            behaviour.errorRate = 0.3
            behaviour.jitterMs = 10
            let core = MockCore(behaviour: behaviour)
            let request = MockCalls.request("/v1/chat/completions", MockCalls.chat())
            return (0..<50).map { core.answer(request, ordinal: $0) }
        }
        #expect(run(seed: 7) == run(seed: 7))
        #expect(run(seed: 7) != run(seed: 8))
    }

    @Test("jitter stays between the latency and the latency plus itself")
    func jitter() {
        var behaviour = MockBehaviour()
        behaviour.latencyMs = 50
        behaviour.jitterMs = 20
        let latencies = (0..<1_000).map { MockFate(behaviour, ordinal: $0).latencyMs }
        #expect(latencies.allSatisfy { (50.0..<70).contains($0) })
        #expect(latencies.max() ?? 0 > 68)
    }

    @Test(
        "an error speaks its provider's dialect",
        arguments: [
            ("/v1/chat/completions", "error.type", "rate_limit_error"),
            ("/v1/messages", "error.type", "rate_limit_error"),
            ("/v1beta/models/m:generateContent", "error.status", "RESOURCE_EXHAUSTED"),
            ("/ai/run/@cf/m", "errors.0.message", "Rate limit reached on purpose."),
        ])
    func dialects(path: String, key: String, value: String) throws {
        let request = MockCalls.request(path, "{}", headers: ["x-mock-fault": "rate-limit"])
        let answer = MockCore(behaviour: MockBehaviour()).answer(request, ordinal: 0)
        #expect(answer.status == 429)
        #expect(answer.retryAfterSeconds == 1)
        #expect(try MockCalls.json(answer).text(key) == value)
    }

    @Test("unknown paths and methods are 404 in the caller's dialect")
    func unknown() throws {
        let core = MockCore(behaviour: MockBehaviour())
        let openAI = core.answer(MockCalls.request("/v1/nothing", "{}"), ordinal: 0)
        #expect(openAI.status == 404)
        #expect(try MockCalls.json(openAI).text("error.type") == "invalid_request_error")
        let anthropic = core.answer(MockCalls.request("/v1/nothing", "{}", headers: ["x-api-key": "k"]), ordinal: 0)
        #expect(try MockCalls.json(anthropic).text("error.type") == "not_found_error")
        #expect(core.answer(MockCalls.request("/v1/messages", "", method: .GET), ordinal: 0).status == 404)
    }

    @Test(
        "with keys required, a call needs its provider's own",
        arguments: [
            ("/v1/chat/completions", "authorization", "Bearer k", 200),
            ("/v1/chat/completions", "authorization", "Bearer ", 401), ("/v1/chat/completions", "x-api-key", "k", 401),
            ("/v1/chat/completions", "authorization", "Bearer sk-invalid", 401),
            ("/v1/messages", "x-api-key", "k", 200),
            ("/v1/models/m:generateContent", "x-goog-api-key", "k", 200),
            ("/v1/models/m:generateContent?key=k", "x-other", "k", 200),
            ("/v1/models/m:generateContent", "x-other", "k", 401),
        ] as [(String, String, String, Int)])
    func keys(path: String, name: String, value: String, status: Int) {
        var behaviour = MockBehaviour()
        behaviour.requiresKey = true
        let request = MockCalls.request(path, MockCalls.chat(), headers: [name: value])
        #expect(MockCore(behaviour: behaviour).answer(request, ordinal: 0).status == status)
    }

    @Test("a malformed answer is not JSON; a malformed stream has exactly one broken event")
    func malformed() throws {
        let core = MockCore(behaviour: MockBehaviour())
        let headers: HTTPHeaders = ["x-mock-fault": "malformed"]
        let whole = core.answer(
            MockCalls.request("/v1/chat/completions", MockCalls.chat(), headers: headers), ordinal: 0)
        #expect(whole.status == 200)
        #expect(throws: (any Error).self) { try MockCalls.json(whole) }
        let stream = core.answer(
            MockCalls.request("/v1/chat/completions", MockCalls.chat(",\"stream\":true"), headers: headers), ordinal: 0)
        let broken = MockCalls.events(stream).count {
            $0.data != "[DONE]" && (try? MockCalls.object(Data($0.data.utf8))) == nil
        }
        #expect(broken == 1)
    }
}
