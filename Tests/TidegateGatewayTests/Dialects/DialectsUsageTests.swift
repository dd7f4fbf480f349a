import Testing
import TidegateCore

@testable import TidegateGateway

@Suite("usage of answers")
struct DialectsUsageTests {
    private static let openAI =
        #"{"id":"x","model":"gpt-4o-2024-08-06","choices":[{"message":{"content":"\"usage\":{\"prompt_tokens\":9}"}}],"usage":{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,"prompt_tokens_details":{"cached_tokens":30},"completion_tokens_details":{"reasoning_tokens":20}}}"#

    @Test("OpenAI counts cached and reasoning tokens inside")
    func chat() {
        let found = observe(Self.openAI, .openAIChat)
        #expect(found.model == "gpt-4o-2024-08-06")
        #expect(
            found.usage == TokenUsage(inputUncached: 70, inputCacheRead: 30, outputText: 30, outputReasoning: 20))
        #expect(found.usage?.total == 150)
    }

    @Test(
        "whole answers of the other formats",
        arguments: [
            (
                .openAIResponses,
                #"{"model":"m","usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":4},"output_tokens":3,"output_tokens_details":{"reasoning_tokens":1}}}"#,
                TokenUsage(inputUncached: 5, inputCacheRead: 4, outputText: 2, outputReasoning: 1)
            ),
            (
                .openAIEmbeddings,
                #"{"data":[{"embedding":[0.1,-2e-3,[1],{"usage":{"prompt_tokens":1}}]}],"model":"m","usage":{"prompt_tokens":8,"total_tokens":8}}"#,
                TokenUsage(inputUncached: 8)
            ),
            (
                .openAIChat,
                #"{"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":35,"completion_tokens_details":{"reasoning_tokens":20}}}"#,
                TokenUsage(inputUncached: 10, outputText: 5, outputReasoning: 20)
            ),
            (
                .openAIChat, #"{"usage":{"prompt_tokens":10,"completion_tokens":5,"prompt_cache_hit_tokens":4}}"#,
                TokenUsage(inputUncached: 6, inputCacheRead: 4, outputText: 5)
            ),
            (
                .anthropic,
                #"{"model":"claude","usage":{"input_tokens":3,"cache_creation_input_tokens":5,"cache_read_input_tokens":7,"output_tokens":11}}"#,
                TokenUsage(inputUncached: 3, inputCacheRead: 7, inputCacheWrite: 5, outputText: 11)
            ),
            (
                .gemini,
                #"{"candidates":[],"usageMetadata":{"promptTokenCount":10,"cachedContentTokenCount":4,"candidatesTokenCount":6,"thoughtsTokenCount":8,"totalTokenCount":24},"modelVersion":"gemini-2.5-flash"}"#,
                TokenUsage(inputUncached: 6, inputCacheRead: 4, outputText: 6, outputReasoning: 8)
            ),
            (
                .gemini,
                #"[{"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":1}},{"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":6}}]"#,
                TokenUsage(inputUncached: 10, outputText: 6)
            ),
            (
                .workersAI,
                #"{"result":{"response":"hi","usage":{"prompt_tokens":4,"completion_tokens":2}},"success":true}"#,
                TokenUsage(inputUncached: 4, outputText: 2)
            ),
            (
                .cohere,
                #"{"usage":{"billed_units":{"input_tokens":5.0,"output_tokens":7},"tokens":{"input_tokens":70}}}"#,
                TokenUsage(inputUncached: 5, outputText: 7)
            ),
            (
                .cohere,
                "{\"event_type\":\"text\"}\n{\"response\":{\"meta\":{\"billed_units\":{\"input_tokens\":5,\"output_tokens\":7}}}}\n",
                TokenUsage(inputUncached: 5, outputText: 7)
            ),
            (
                .bedrock,
                #"{"usage":{"inputTokens":1,"outputTokens":2,"cacheReadInputTokens":3,"cacheWriteInputTokens":4}}"#,
                TokenUsage(inputUncached: 1, inputCacheRead: 3, inputCacheWrite: 4, outputText: 2)
            ),
            (
                .replicate, #"{"metrics":{"input_token_count":1,"output_token_count":2}}"#,
                TokenUsage(inputUncached: 1, outputText: 2)
            ),
        ] as [(UsageFormat, String, TokenUsage)])
    func whole(format: UsageFormat, text: String, usage: TokenUsage) {
        #expect(observe(text, format).usage == usage)
    }

    @Test(
        "streams of every dialect",
        arguments: [
            (
                .openAIChat,
                "data: {\"model\":\"m\",\"choices\":[],\"usage\":null}\n\ndata: {\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n",
                TokenUsage(inputUncached: 3, outputText: 4)
            ),
            (
                .openAIResponses,
                "event: response.created\ndata: {\"response\":{\"model\":\"m\",\"usage\":null}}\n\nevent: response.completed\ndata: {\"response\":{\"model\":\"m\",\"usage\":{\"input_tokens\":3,\"output_tokens\":4}}}\n\n",
                TokenUsage(inputUncached: 3, outputText: 4)
            ),
            (
                .anthropic,
                "event: message_start\ndata: {\"message\":{\"model\":\"m\",\"usage\":{\"input_tokens\":3,\"cache_read_input_tokens\":2,\"output_tokens\":1}}}\n\nevent: message_delta\ndata: {\"usage\":{\"output_tokens\":9}}\n\nevent: message_delta\ndata: {\"usage\":{\"output_tokens\":12}}\n\n",
                TokenUsage(inputUncached: 3, inputCacheRead: 2, outputText: 12)
            ),
            (
                .gemini,
                "data: {\"usageMetadata\":{\"promptTokenCount\":3},\"modelVersion\":\"m\"}\r\n\r\ndata: {\"usageMetadata\":{\"promptTokenCount\":3,\"candidatesTokenCount\":4},\"modelVersion\":\"m\"}\r\n\r\n",
                TokenUsage(inputUncached: 3, outputText: 4)
            ),
            (
                .workersAI,
                "data: {\"model\":\"m\",\"response\":\"a\"}\n\ndata: {\"response\":\"\",\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n",
                TokenUsage(inputUncached: 3, outputText: 4)
            ),
            (
                .cohere,
                "event: message-end\ndata: {\"model\":\"m\",\"delta\":{\"usage\":{\"billed_units\":{\"input_tokens\":3,\"output_tokens\":4}}}}",
                TokenUsage(inputUncached: 3, outputText: 4)
            ),
        ] as [(UsageFormat, String, TokenUsage)])
    func streams(format: UsageFormat, text: String, usage: TokenUsage) {
        let found = observe(text, format, isSSE: true)
        #expect(found.usage == usage)
        #expect(found.model == "m")
    }

    @Test(
        "impossible numbers are no usage and never trap",
        arguments: [
            "-5", "1.5", "99999999999999999999", "1e300", "\"7\"", "null", "{}", "9223372036854775807",
        ])
    func numbers(number: String) {
        for format in UsageFormat.allCases {
            let text = """
                {"usage":{"prompt_tokens":\(number),"input_tokens":\(number),"output_tokens":\(number),\
                "completion_tokens":\(number)},"usageMetadata":{"promptTokenCount":\(number)}}
                """
            #expect(observe(text, format).usage == nil)
        }
        let cached = observe(#"{"usage":{"prompt_tokens":5,"prompt_tokens_details":{"cached_tokens":9}}}"#, .openAIChat)
        #expect(cached.usage == TokenUsage(inputCacheRead: 5))
    }

    @Test("broken, compressed and foreign answers are no usage")
    func none() {
        for text in [
            "", "not json", "]]]}}}", "{\"usage\":{\"prompt_tokens\":1", "{\"usage\":[1]}", "<html>", "\"usage\"",
        ] {
            #expect(observe(text, .openAIChat).usage == nil)
        }
        for (type, encoding) in [("application/json", "gzip"), ("audio/mpeg", nil), ("application/json", "br")] {
            var observer = AnswerObserver(
                format: .openAIChat, contentType: type, isSSE: false, contentEncoding: encoding)
            Array(Self.openAI.utf8).withUnsafeBytes { observer.consume($0) }
            #expect(observer.finish() == ObservedAnswer())
        }
    }

    @Test("random bytes neither trap nor depend on the cut", arguments: UInt64(0)..<60)
    func fuzz(seed: UInt64) {
        var random = DialectsRandom(seed: seed)
        var bytes = Array(Self.openAI.utf8)
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            bytes[Int.random(in: 0..<bytes.count, using: &random)] =
                Array("{}[]\",:\\u0aé".utf8).randomElement(using: &random) ?? 0
        }
        let text = String(decoding: bytes, as: UTF8.self)
        for format in UsageFormat.allCases { _ = observe(text, format, seed: seed) }
    }

    @Test("usage at the end of an answer of many megabytes is found")
    func large() {
        var observer = AnswerObserver(format: .openAIEmbeddings, contentType: "application/json", isSSE: false)
        Array(#"{"data":[{"embedding":["#.utf8).withUnsafeBytes { observer.consume($0) }
        let numbers = Array(String(repeating: "-0.00123,", count: 7_000).utf8)
        for _ in 0..<100 { numbers.withUnsafeBytes { observer.consume($0) } }
        Array(#"0]}],"usage":{"prompt_tokens":8}}"#.utf8).withUnsafeBytes { observer.consume($0) }
        #expect(observer.finish().usage == TokenUsage(inputUncached: 8))
    }
}
