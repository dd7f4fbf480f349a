import Foundation
import NIOHTTP1
import Testing
import TidegateCore

@testable import TidegateGateway

@Suite("call options")
struct OptionsTests {
    @Test(
        "metadata keeps five flat entries, strips cf., and falls whole by one value that is not flat",
        arguments: [
            (#"{"team":"search","user":42,"beta":true}"#, #"{"team":"search","user":42,"beta":true}"#),
            (#"{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6}"#, #"{"a":1,"b":2,"c":3,"d":4,"e":5}"#),
            (#"{"cf.user_id":"x","cf.a":1,"a":1}"#, #"{"a":1}"#),
            (#"{"a":1,"a":"\u0032"}"#, #"{"a":"\u0032"}"#),
            (#"{"a":1,"b":null}"#, nil), (#"{"a":1,"b":{}}"#, nil), (#"{"a":[1]}"#, nil), ("[]", nil), ("{}", nil),
            ("{\"a\":1", nil), ("", nil), ("3", nil),
            (#"{"a":1,"b":2,"c":3,"d":4,"e":5,"f":null}"#, nil),
        ] as [(String, String?)])
    func metadata(header: String, kept: String?) { #expect(CallMetadata.flattened(header) == kept) }

    @Test("entry beats request beats gateway")
    func precedence() throws {
        var settings = GatewaySettings()
        settings.collectLogs = false
        settings.retryMaxAttempts = 2
        settings.retryDelay = 100
        settings.retryBackoff = .linear
        let request = HTTPHeaders([
            ("CF-AIG-Collect-Log", "true"), ("cf-aig-max-attempts", "3"), ("cf-aig-event-id", "r"),
            ("cf-aig-request-timeout", "900"), ("cf-aig-collect-log-payload", "FALSE"),
        ])
        let body = Array(
            #"""
            [{"provider":"openai","endpoint":"x","query":1,"eventId":"e",
              "headers":{"cf-aig-max-attempts":"4","cf-aig-retry-delay":"7"},"config":{"maxAttempts":5}}]
            """#.utf8)
        let step = try body.withUnsafeBytes { try StepList(parsing: $0).steps[0] }
        let none = GatewayOptions.resolve(entry: nil, request: [:], gateway: settings)
        #expect(none.retry == RetryPolicy(maxAttempts: 2, delayMs: 100, backoff: .linear))
        #expect(!none.collectsLog && none.collectsPayload && none.eventID == nil && none.metadata.isEmpty)
        let called = GatewayOptions.resolve(entry: nil, request: request, gateway: settings)
        #expect(called.retry == RetryPolicy(maxAttempts: 3, delayMs: 100, backoff: .linear, requestTimeoutMs: 900))
        #expect(called.collectsLog && !called.collectsPayload && called.eventID == "r")
        let entered = GatewayOptions.resolve(entry: step, request: request, gateway: settings)
        #expect(entered.retry == RetryPolicy(maxAttempts: 5, delayMs: 7, backoff: .linear, requestTimeoutMs: 900))
        #expect(entered.eventID == "e")
    }

    @Test("values that cannot be read count as absent, those out of range as the nearest")
    func malformed() {
        let headers = HTTPHeaders([
            ("cf-aig-collect-log", "yes"), ("cf-aig-max-attempts", "99999999999999999999"),
            ("cf-aig-retry-delay", "-1"),
            ("cf-aig-backoff", "none"), ("cf-aig-request-timeout", "0"), ("cf-aig-event-id", "a\u{7F}"),
            ("cf-aig-custom-cost", "{\"per_token_in\":-1}"), ("cf-aig-metadata", "x"),
        ])
        let options = GatewayOptions.resolve(entry: nil, request: headers, gateway: GatewaySettings())
        #expect(options.retry == RetryPolicy(maxAttempts: 5))
        #expect(options.collectsLog && options.eventID == nil && options.customCost == nil && options.metadata.isEmpty)
    }

    @Test("the gateway's error has the whole observed shape")
    func failure() throws {
        let failure = GatewayFailure(status: 401, code: 2009, message: "Un\"authorized\n")
        let root = try #require(try JSONSerialization.jsonObject(with: Data(failure.body)) as? [String: Any])
        #expect(
            Set(root.keys) == [
                "success", "result", "messages", "error", "name", "httpCode", "internalCode", "message", "description",
            ])
        #expect((root["error"] as? [[String: Any]])?.first?["code"] as? Int == 2009)
        #expect(root["description"] as? String == failure.message)
        #expect(root["success"] as? Bool == false && root["httpCode"] as? Int == 401)
    }
}
