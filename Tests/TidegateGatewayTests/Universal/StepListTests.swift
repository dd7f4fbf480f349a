import NIOHTTP1
import Testing
import TidegateCore

@testable import TidegateGateway

@Suite("universal steps")
struct StepListTests {
    private func parse(_ text: String) throws -> StepList {
        try Array(text.utf8).withUnsafeBytes { try StepList(parsing: $0) }
    }

    @Test("takes a list apart and leaves each query's bytes as they were")
    func list() throws {
        let text = """
             [ {"provider":"openai","endpoint":"/chat/completions","headers":{"Authorization":"Bearer x","n":5,"skip":null},
              "query": {"a" : [1,  2], "é":"\\u0041"} ,"config":{"requestTimeout":1500,"maxAttempts":2,"retryDelay":"200","backoff":"linear"}},
              {"provider":"anthropic","endpoint":"v1/messages?x=1","query":null,"authorization":"Token t","eventId":"e-1"} ]
            """
        let steps = try parse(text).steps
        #expect(steps.map(\.provider) == ["openai", "anthropic"])
        #expect(steps.map(\.endpoint) == ["chat/completions", "v1/messages?x=1"])
        #expect(
            String(decoding: Array(text.utf8)[steps[0].query], as: UTF8.self) == "{\"a\" : [1,  2], \"é\":\"\\u0041\"}")
        #expect(String(decoding: Array(text.utf8)[steps[1].query], as: UTF8.self) == "null")
        #expect(steps[0].headers.count == 2 && steps[0].headers.first(name: "N") == "5")
        #expect(steps[0].config.requestTimeoutMs == 1500 && steps[0].config.maxAttempts == 2)
        #expect(steps[0].config.retryDelayMs == 200 && steps[0].config.backoff == .linear)
        #expect(steps[1].headers.first(name: "authorization") == "Token t" && steps[1].eventID == "e-1")
    }

    @Test("a bare object is one step")
    func bare() throws {
        let steps = try parse(" {\"provider\":\"openai\",\"endpoint\":\"x\",\"query\":{}} \n").steps
        #expect(steps.count == 1 && steps[0].headers.isEmpty)
    }

    @Test(
        "what is wrong is named",
        arguments: [
            ("", "JSON"), ("[", "JSON"), ("[]", "non-empty"), ("3", "array"), ("[3]", "Step 0"),
            ("[{\"endpoint\":\"x\",\"query\":1}]", "provider"), ("[{\"provider\":\"a\",\"query\":1}]", "endpoint"),
            ("[{\"provider\":\"a\",\"endpoint\":\"x\"}]", "query"),
            ("[{\"provider\":\"a\",\"endpoint\":\"x\",\"query\":1,\"headers\":[]}]", "headers"),
            ("[{\"provider\":\"a\",\"endpoint\":\"x\",\"query\":1,\"headers\":{\"a b\":\"1\"}}]", "header name"),
            ("[{\"provider\":\"a\",\"endpoint\":\"x\",\"query\":1,\"headers\":{\"a\":\"1\\r\\nx: y\"}}]", "control"),
            ("[{\"provider\":\"a\",\"endpoint\":\"x\",\"query\":1,\"authorization\":\"a\\n\"}]", "authorization"),
            ("[{\"provider\":\"a\",\"endpoint\":\"x\",\"query\":1,\"config\":3}]", "config"),
            ("[" + Array(repeating: "{}", count: 33).joined(separator: ",") + "]", "32"),
        ])
    func faults(text: String, part: String) {
        let failure = #expect(throws: GatewayFailure.self) { try parse(text) }
        #expect(failure?.status == 400)
        #expect(failure?.message.contains(part) == true)
    }
}
