package import TidegateCore

/// Decides what follows an attempt: pass its answer on, try the same provider again, or give the step up. Attempts count
/// from 1. Pure: the caller keeps the time and carries the pause out.
package struct RetryPolicy: Equatable, Sendable {
    /// How an attempt ended before anything of its answer reached the client.
    package enum Outcome: Equatable, Sendable {
        /// A response head came. `retryAfter` is its `Retry-After` value as sent.
        case answered(status: Int, retryAfter: String?)
        /// Refused, reset, unresolvable, or cut before the head.
        case unreachable
        /// `requestTimeoutMs` passed before the first byte.
        case timedOut
    }
    package enum Verdict: Equatable, Sendable {
        /// The answer is the step's answer, whatever its status.
        case accept
        case retry(afterMs: Int)
        /// No answer, and no attempts left.
        case giveUp
    }

    /// Longest pause, whatever backoff and `Retry-After` ask for.
    package static let pauseMsMax = 60_000

    /// Tries in all, 1 to 5.
    package let maxAttempts: Int
    /// Milliseconds, 0 to 5000.
    package let delayMs: Int
    package let backoff: GatewaySettings.Backoff
    /// From the request's start to the answer's first byte.
    package let requestTimeoutMs: Int?

    /// Values out of range become the nearest in range; a timeout of zero or less is none.
    package init(
        maxAttempts: Int = 1, delayMs: Int = 0, backoff: GatewaySettings.Backoff = .constant,
        requestTimeoutMs: Int? = nil
    ) {
        self.maxAttempts = min(max(maxAttempts, 1), GatewayOptions.attemptsMax)
        self.delayMs = min(max(delayMs, 0), GatewayOptions.retryDelayMsMax)
        self.backoff = backoff
        self.requestTimeoutMs = requestTimeoutMs.flatMap { $0 > 0 ? $0 : nil }
    }

    /// The time limit of an attempt; `nil` is none. With retries the last attempt runs until it ends.
    package func timeoutMs(attempt: Int) -> Int? {
        maxAttempts > 1 && attempt >= maxAttempts ? nil : requestTimeoutMs
    }

    /// - Parameter nowMs: milliseconds since 1970, for `Retry-After` given as a date.
    package func verdict(on outcome: Outcome, attempt: Int, nowMs: Int64) -> Verdict {
        guard attempt < maxAttempts else {
            if case .answered = outcome { return .accept }
            return .giveUp
        }
        switch outcome {
        case .answered(let status, let retryAfter):
            guard Self.isRetried(status: status) else { return .accept }
            let asked = retryAfter.flatMap { RetryAfter.milliseconds($0, nowMs: nowMs) } ?? 0
            return .retry(afterMs: min(max(asked, pauseMs(after: attempt)), Self.pauseMsMax))
        case .unreachable, .timedOut: return .retry(afterMs: pauseMs(after: attempt))
        }
    }

    /// `delay`, `delay × n` or `delay × 2ⁿ⁻¹` behind attempt n.
    package func pauseMs(after attempt: Int) -> Int {
        let n = min(max(attempt, 1), Self.doublingsMax)
        let pause =
            switch backoff {
            case .constant: delayMs
            case .linear: delayMs * n
            case .exponential: delayMs << (n - 1)
            }
        return min(pause, Self.pauseMsMax)
    }

    private static let doublingsMax = 16

    /// Answers worth another try: the request took too long to arrive, too many requests, or the server's own fault.
    package static func isRetried(status: Int) -> Bool {
        status == 408 || status == 429 || (500..<600).contains(status)
    }

    /// Whether a step that ended so hands over to the next one.
    package static func fallsBack(status: Int) -> Bool { !(200..<300).contains(status) }
}
