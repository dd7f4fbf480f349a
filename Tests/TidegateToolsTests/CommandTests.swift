import ArgumentParser
import Foundation
import Testing
import TidegateCore

@testable import TidegateTools

/// What the command lines accept and refuse, and what they would send.
@Suite struct CommandTests {
    @Test(
        "durations read with their units",
        arguments: [("50ms", 50), ("1.5s", 1_500), ("2m", 120_000), ("3", 3_000), ("250us", 0.25)] as [(String, Double)]
    )
    func durations(text: String, milliseconds: Double) {
        #expect(DurationArgument(argument: text)?.milliseconds == milliseconds)
    }

    @Test("nonsense is no duration", arguments: ["", "ms", "-1s", "1h", "inf", "1 s"])
    func badDurations(text: String) { #expect(DurationArgument(argument: text) == nil) }

    @Test("every flag of the mock provider reaches its behaviour")
    func mockFlags() throws {
        let command = try MockProviderCommand.parse(
            "--listen 127.0.0.1:0 --latency 50ms --jitter 5ms --stream-chunks 3 --chunk-interval 1ms --error-rate 0.1 --rate-limit-rate 0.2 --stall-rate 0.05 --cut-rate 0.06 --malformed-rate 0.07 --seed 9 --require-key"
                .split(separator: " ").map(String.init))
        var expected = MockBehaviour()
        expected.latencyMs = 50
        expected.jitterMs = 5
        expected.streamChunks = 3
        expected.chunkIntervalMs = 1
        expected.errorRate = 0.1
        expected.rateLimitRate = 0.2
        expected.stallRate = 0.05
        expected.cutRate = 0.06
        expected.malformedRate = 0.07
        expected.seed = 9
        expected.requiresKey = true
        #expect(command.behaviour == expected)
    }

    @Test(
        "bad flags are refused before anything starts",
        arguments: [
            ["--listen", "nowhere"], ["--error-rate", "1.5"], ["--error-rate", "0.6", "--cut-rate", "0.6"],
            ["--stream-chunks", "0"], ["--latency", "fast"],
        ])
    func badMockFlags(arguments: [String]) {
        #expect(throws: (any Error).self) { try MockProviderCommand.parse(arguments) }
    }

    @Test("usage errors exit with 64")
    func usageExitCode() {
        do {
            _ = try LogsCommand.List.parse(["--filter", "provider is openai"])
            Issue.record("a filter with an unknown operator was accepted")
        } catch {
            #expect(LogsCommand.List.exitCode(for: error).rawValue == 64)
        }
    }

    @Test("filters become the JSON spelling of the API")
    func filters() throws {
        let filters = try ["provider eq openai,groq", "status_code gt 399", "success eq false"]
            .map { try #require(LogFilterArgument(argument: $0)) }
        let query = LogFilterArgument.query(filters)
        #expect(query.map(\.0) == ["filters"])
        let decoded = try #require(try JSONSerialization.jsonObject(with: Data(query[0].1.utf8)) as? [[String: Any]])
        #expect(decoded[0]["value"] as? [String] == ["openai", "groq"])
        #expect(decoded[1]["value"] as? [Int] == [399])
        #expect(decoded[2]["value"] as? [Bool] == [false])
    }

    @Test("settings keep their JSON types; text stays text")
    func settings() throws {
        let options = try SettingOptions.parse([
            "--set", "cache_ttl=300", "--set", "collect_logs=false", "--set", "store_id=null",
            "--set", "retry_backoff=linear",
        ])
        #expect(
            try options.values() == [
                "cache_ttl": .integer(300), "collect_logs": .bool(false), "store_id": .null,
                "retry_backoff": .string("linear"),
            ])
        #expect(throws: (any Error).self) { try SettingOptions.parse(["--set", "cache_ttl"]) }
    }

    @Test("a cap of none is null, and an absent cap is absent")
    func caps() throws {
        let fields = try AccountFields.parse(["--plan", "paid", "--rows-per-account", "none", "--gateways", "5"])
        #expect(
            try fields.body() == [
                "plan": .string("paid"),
                "entitlements": .object(["rowsPerAccount": .null, "gateways": .integer(5)]),
            ])
        #expect(throws: (any Error).self) { try AccountFields.parse(["--plan", "gold"]) }
    }

    @Test("the flag wins over the environment, which wins over the default")
    func target() throws {
        let plain = try ConnectionOptions.parse([])
        #expect(try plain.base(environment: [:]) == "http://127.0.0.1:8787")
        #expect(try plain.base(environment: ["TIDEGATE_TARGET": "https://h/"]) == "https://h")
        let given = try ConnectionOptions.parse(["--target", "http://x:1", "--token", "t"])
        #expect(try given.base(environment: ["TIDEGATE_TARGET": "https://h"]) == "http://x:1")
        #expect(try given.secret(environment: ["TIDEGATE_ADMIN_TOKEN": "e"]) == "t")
        #expect(try plain.secret(environment: ["TIDEGATE_ADMIN_TOKEN": "e"]) == "e")
        #expect(throws: (any Error).self) { try ConnectionOptions.parse(["--target", "h:1"]) }
    }

    @Test("path and query parts are escaped")
    func urls() {
        #expect(
            ManagementClient.url("http://h", ["a b", "c/d"], [("filters", "[{\"k\"}]")])
                == "http://h/a%20b/c%2Fd?filters=%5B%7B%22k%22%7D%5D")
    }

    @Test("an API error says its words, its code and what to do")
    func errors() {
        let body =
            "{\"success\":false,\"errors\":[{\"code\":7001,\"message\":\"Required\",\"path\":[\"body\",\"name\"]}]}"
        let answer = ManagementClient.Answer(status: 401, contentType: "", bytes: Data(body.utf8))
        let text = ManagementClient.explain(answer, hasToken: false)
        #expect(text.contains("Required (code 7001) at body.name"))
        #expect(text.contains("--token-file"))
    }

    @Test("a node is healthy only when it serves and every member is alive")
    func health() {
        func status(_ state: String, _ member: String) -> Bool {
            StatusCommand.isHealthy(
                .object([
                    "state": .string(state), "members": .array([.object(["state": .string(member)])]),
                ]))
        }
        #expect(status("serving", "alive"))
        #expect(!status("serving", "suspect"))
        #expect(!status("draining", "alive"))
    }
}
