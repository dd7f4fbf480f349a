import Testing
import TidegateCore

@testable import TidegateGateway

@Suite("retries")
struct RetryTests {
    @Test(
        "pauses grow as the backoff says",
        arguments: [
            (.constant, [200, 200, 200, 200]), (.linear, [200, 400, 600, 800]), (.exponential, [200, 400, 800, 1600]),
        ] as [(GatewaySettings.Backoff, [Int])])
    func pauses(backoff: GatewaySettings.Backoff, expected: [Int]) {
        let policy = RetryPolicy(maxAttempts: 5, delayMs: 200, backoff: backoff)
        #expect((1...4).map { policy.pauseMs(after: $0) } == expected)
        #expect(RetryPolicy(maxAttempts: 5, delayMs: 5_000, backoff: .exponential).pauseMs(after: .max) == 60_000)
    }

    @Test("only passing failures are retried, and only while attempts are left")
    func verdicts() {
        let policy = RetryPolicy(maxAttempts: 2, delayMs: 10)
        func verdict(_ status: Int, _ attempt: Int = 1) -> RetryPolicy.Verdict {
            policy.verdict(on: .answered(status: status, retryAfter: nil), attempt: attempt, nowMs: 0)
        }
        for status in [408, 429, 500, 503, 599] {
            #expect(verdict(status) == .retry(afterMs: 10))
            #expect(verdict(status, 2) == .accept)
        }
        for status in [200, 204, 301, 400, 401, 404, 422] { #expect(verdict(status) == .accept) }
        for outcome in [RetryPolicy.Outcome.unreachable, .timedOut] {
            #expect(policy.verdict(on: outcome, attempt: 1, nowMs: 0) == .retry(afterMs: 10))
            #expect(policy.verdict(on: outcome, attempt: 2, nowMs: 0) == .giveUp)
        }
        #expect(
            RetryPolicy.fallsBack(status: 301) && RetryPolicy.fallsBack(status: 500)
                && !RetryPolicy.fallsBack(status: 204))
    }

    @Test("with retries the last attempt has no time limit")
    func timeouts() {
        let policy = RetryPolicy(maxAttempts: 3, requestTimeoutMs: 1_500)
        #expect((1...3).map { policy.timeoutMs(attempt: $0) } == [1_500, 1_500, nil])
        #expect(RetryPolicy(requestTimeoutMs: 1_500).timeoutMs(attempt: 1) == 1_500)
    }

    @Test(
        "Retry-After is honoured in seconds and as a date, up to a minute",
        arguments: [
            ("2", 2_000), ("0", 100), ("120", 60_000), ("Sun, 06 Nov 1994 08:49:37 GMT", 7_000),
            ("Sun, 06 Nov 1994 08:00:00 GMT", 100), ("soon", 100), ("-3", 100), ("99999999999999999999", 60_000),
            ("Thu, 29 Feb 2024 00:00:00 GMT", 60_000),
        ])
    func retryAfter(value: String, pause: Int) {
        let policy = RetryPolicy(maxAttempts: 2, delayMs: 100)
        let verdict = policy.verdict(
            on: .answered(status: 429, retryAfter: value), attempt: 1, nowMs: 784_111_770_000)
        #expect(verdict == .retry(afterMs: pause))
    }
}
