import Foundation
import Testing

@testable import TidegateTools

/// What the mock says in each provider's format.
@Suite struct MockFormatTests {
    private let core = MockCore(behaviour: MockBehaviour())

    @Test("a chat answer counts a quarter of the bytes and gives the nonce back", arguments: ["", "/v1", "/a/b/c"])
    func chat(prefix: String) throws {
        let body = MockCalls.chat()
        let json = try MockCalls.json(
            core.answer(MockCalls.request(prefix + "/chat/completions", body), ordinal: 0))
        let text = try #require(json.text("choices.0.message.content"))
        #expect(text.contains("nonce:abc-1"))
        #expect(json.text("model") == "gpt-4o-mini")
        #expect(json.int("usage.prompt_tokens") == (body.utf8.count + 3) / 4)
        #expect(json.int("usage.completion_tokens") == (text.utf8.count + 3) / 4)
        #expect(json.int("usage.total_tokens") == (body.utf8.count + 3) / 4 + (text.utf8.count + 3) / 4)
    }

    @Test("a streamed chat has as many text events as asked, and usage only when asked", arguments: [true, false])
    func streamedChat(wantsUsage: Bool) throws {
        let options = wantsUsage ? ",\"stream_options\":{\"include_usage\": true}" : ""
        let request = MockCalls.request("/v1/chat/completions", MockCalls.chat(",\"stream\" : true" + options))
        let answer = core.answer(request, ordinal: 0)
        let events = MockCalls.events(answer)
        #expect(events.last?.data == "[DONE]")
        let chunks = try events.dropLast().map { try MockCalls.object(Data($0.data.utf8)) }
        let texts = chunks.compactMap { $0.text("choices.0.delta.content") }
        #expect(texts.count == 20)
        let usages = chunks.compactMap { $0.int("usage.completion_tokens") }
        #expect(usages == (wantsUsage ? [(texts.joined().utf8.count + 3) / 4] : []))
        #expect(answer.pieces.count == events.count)
    }

    @Test("streamed responses end with usage that equals the unstreamed answer's shape")
    func streamedResponses() throws {
        let request = MockCalls.request("/v1/responses", "{\"model\":\"m\",\"stream\":true,\"input\":\"nonce:z\"}")
        let events = MockCalls.events(core.answer(request, ordinal: 0))
        #expect(events.first?.name == "response.created")
        #expect(events.last?.name == "response.completed")
        let objects = try events.map { try MockCalls.object(Data($0.data.utf8)) }
        #expect(objects.map { $0.int("sequence_number") } == objects.indices.map { $0 })
        let text = objects.compactMap { $0.text("delta") }.joined()
        let last = try #require(objects.last)
        #expect(last.text("response.output.0.content.0.text") == text)
        #expect(last.int("response.usage.output_tokens") == (text.utf8.count + 3) / 4)
        #expect(last.int("response.usage.input_tokens") == (request.bodyBytes + 3) / 4)
    }

    @Test("embeddings say the same numbers as floats and in base64")
    func embeddings() throws {
        func vectors(_ format: String) throws -> [String: Any] {
            let body = "{\"model\":\"e\",\"input\":[\"one\",\"two\"],\"encoding_format\":\"\(format)\"}"
            return try MockCalls.json(core.answer(MockCalls.request("/v1/embeddings", body), ordinal: 0))
        }
        let floats = try #require(try vectors("float").at("data.1.embedding") as? [Double])
        let packed = try #require(Data(base64Encoded: try vectors("base64").text("data.1.embedding") ?? ""))
        let unpacked = stride(from: 0, to: packed.count, by: 4).map { start in
            Double(Float(bitPattern: (0..<4).reduce(UInt32(0)) { $0 | UInt32(packed[start + $1]) << (8 * $1) }))
        }
        #expect(floats.count == 8)
        #expect(unpacked == floats)
    }

    @Test("an embedding request without input is refused")
    func embeddingWithoutInput() throws {
        let answer = core.answer(MockCalls.request("/v1/embeddings", "{\"model\":\"e\"}"), ordinal: 0)
        #expect(answer.status == 400)
        #expect(try MockCalls.json(answer).text("error.type") == "invalid_request_error")
    }

    @Test("Anthropic's buckets are disjoint and sum to the input", arguments: [true, false])
    func anthropicBuckets(marksCache: Bool) throws {
        let cache = marksCache ? ",\"cache_control\":{\"type\":\"ephemeral\"}" : ""
        let body = """
            {"model":"claude","max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"nonce:q \
            \(String(repeating: "a", count: 400))"\(cache)}]}]}
            """
        let json = try MockCalls.json(core.answer(MockCalls.request("/v1/messages", body), ordinal: 0))
        let read = try #require(json.int("usage.cache_read_input_tokens"))
        let written = try #require(json.int("usage.cache_creation_input_tokens"))
        let plain = try #require(json.int("usage.input_tokens"))
        #expect(read + written + plain == (body.utf8.count + 3) / 4)
        #expect((read > 0 && written > 0) == marksCache)
    }

    @Test("Anthropic's stream opens and closes in order and ends with the whole output count")
    func anthropicStream() throws {
        let request = MockCalls.request("/v1/messages", MockCalls.chat(",\"stream\":true"))
        let events = MockCalls.events(core.answer(request, ordinal: 0))
        let names = events.compactMap(\.name)
        #expect(Array(names.prefix(3)) == ["message_start", "content_block_start", "ping"])
        #expect(Array(names.suffix(3)) == ["content_block_stop", "message_delta", "message_stop"])
        let objects = try events.map { try MockCalls.object(Data($0.data.utf8)) }
        let text = objects.compactMap { $0.text("delta.text") }.joined()
        #expect(objects[objects.count - 2].int("usage.output_tokens") == (text.utf8.count + 3) / 4)
        #expect(objects[0].int("message.usage.input_tokens") == (request.bodyBytes + 3) / 4)
    }

    @Test("Gemini streams the same text as events and as one array")
    func gemini() throws {
        let body = "{\"contents\":[{\"parts\":[{\"text\":\"nonce:g\"}]}]}"
        let base = "/v1beta/models/gemini-2.5-flash:streamGenerateContent"
        let events = MockCalls.events(core.answer(MockCalls.request(base + "?alt=sse", body), ordinal: 0))
        let parts = try events.map { try MockCalls.object(Data($0.data.utf8)) }
        let array = core.answer(MockCalls.request(base, body), ordinal: 0)
        let decoded = try #require(
            try JSONSerialization.jsonObject(with: Data(array.bytes)) as? [[String: Any]])
        let texts = [parts, decoded].map { $0.compactMap { $0.text("candidates.0.content.parts.0.text") }.joined() }
        #expect(texts[0] == texts[1])
        #expect(texts[0].contains("nonce:g"))
        let last = try #require(decoded.last)
        #expect(last.int("usageMetadata.candidatesTokenCount") == (texts[0].utf8.count + 3) / 4)
        #expect(last.text("candidates.0.finishReason") == "STOP")
        #expect(last.text("modelVersion") == "gemini-2.5-flash")
    }

    @Test("Workers AI answers a run with and without a stream", arguments: ["@cf", "%40cf"])
    func workersAI(spelling: String) throws {
        let path = "/client/v4/accounts/a/ai/run/\(spelling)/meta/llama"
        let whole = try MockCalls.json(core.answer(MockCalls.request(path, "{\"prompt\":\"nonce:w\"}"), ordinal: 0))
        #expect(whole.text("result.response")?.contains("nonce:w") == true)
        #expect(whole.int("result.usage.prompt_tokens") == 5)
        let streamed = MockCalls.events(
            core.answer(MockCalls.request(path, "{\"prompt\":\"nonce:w\",\"stream\":true}"), ordinal: 0))
        #expect(streamed.last?.data == "[DONE]")
        let usage = try MockCalls.object(Data(streamed[streamed.count - 2].data.utf8))
        #expect(usage.int("usage.prompt_tokens") == 9)
    }

    @Test("a field inside a prompt's text is not taken for a field of the call")
    func escapedFields() {
        let body = "{\"messages\":[{\"content\":\"{\\\"model\\\":\\\"x\\\",\\\"stream\\\":true}\"}],\"model\":\"real\"}"
        let request = MockCalls.request("/v1/chat/completions", body)
        #expect(request.model == "real")
        #expect(!request.isStreamed)
    }
}
