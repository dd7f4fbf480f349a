/// Tokens of one call in buckets that never overlap, so that they sum (providers differ: some count cached input inside
/// the input, some beside it). `nil` in the record means that the answer had no usage.
package struct TokenUsage: Equatable, Sendable {
    package var inputUncached: Int64
    package var inputCacheRead: Int64
    package var inputCacheWrite: Int64
    package var outputText: Int64
    package var outputReasoning: Int64

    package init(
        inputUncached: Int64 = 0, inputCacheRead: Int64 = 0, inputCacheWrite: Int64 = 0, outputText: Int64 = 0,
        outputReasoning: Int64 = 0
    ) {
        self.inputUncached = inputUncached
        self.inputCacheRead = inputCacheRead
        self.inputCacheWrite = inputCacheWrite
        self.outputText = outputText
        self.outputReasoning = outputReasoning
    }

    package var input: Int64 { inputUncached &+ inputCacheRead &+ inputCacheWrite }
    package var output: Int64 { outputText &+ outputReasoning }
    package var total: Int64 { input &+ output }
}

/// Where the usage of a row came from.
package enum UsageSource: UInt8, Sendable, CaseIterable {
    /// No usage was seen.
    case none = 0
    /// The provider's answer, read to its end.
    case provider = 1
    /// The provider's answer, read on after the client had left.
    case drained = 2
}

/// An amount of money in 10⁻¹² US dollars: fine enough that a price per token is a whole number, and sums are exact.
package struct PicoUSD: Hashable, Comparable, Sendable {
    package let rawValue: Int64
    package init(rawValue: Int64) { self.rawValue = rawValue }
    package static let zero = PicoUSD(rawValue: 0)

    /// - Returns: `nil` unless the amount is finite and within ±9.2 million dollars.
    package init?(usd: Double) {
        let picos = (usd * 1e12).rounded()
        guard let value = Int64(exactly: picos) else { return nil }
        rawValue = value
    }

    package var usd: Double { Double(rawValue) / 1e12 }
    package static func < (one: PicoUSD, other: PicoUSD) -> Bool { one.rawValue < other.rawValue }
}
