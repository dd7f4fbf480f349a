package import TidegateCore

/// What a model's tokens cost, each in 10⁻¹² US dollars per token (a dollar per million tokens is a million of them).
package struct ModelPrice: Equatable, Sendable {
    package var input: Int64
    package var output: Int64
    package var cacheRead: Int64
    package var cacheWrite: Int64

    /// - Parameters: US dollars per token. An absent cache price is the input price.
    /// - Returns: `nil` unless every price is finite, ≥ 0 and below nine million dollars.
    package init?(input: Double, output: Double, cacheRead: Double? = nil, cacheWrite: Double? = nil) {
        guard let input = Self.pico(input), let output = Self.pico(output) else { return nil }
        self.input = input
        self.output = output
        guard let cacheRead = cacheRead.map(Self.pico) ?? input, let cacheWrite = cacheWrite.map(Self.pico) ?? input
        else { return nil }
        self.cacheRead = cacheRead
        self.cacheWrite = cacheWrite
    }

    /// Per million tokens, as price lists have it.
    package init?(
        inputPerMillion: Double, outputPerMillion: Double, cacheReadPerMillion: Double? = nil,
        cacheWritePerMillion: Double? = nil
    ) {
        self.init(
            input: inputPerMillion / 1e6, output: outputPerMillion / 1e6,
            cacheRead: cacheReadPerMillion.map { $0 / 1e6 },
            cacheWrite: cacheWritePerMillion.map { $0 / 1e6 })
    }

    private static func pico(_ usd: Double) -> Int64? {
        guard usd >= 0 else { return nil }
        return PicoUSD(usd: usd)?.rawValue
    }

    /// - Returns: `nil` when the sum does not fit.
    package func cost(of usage: TokenUsage) -> PicoUSD? {
        var sum: Int64 = 0
        let parts = [
            (usage.inputUncached, input), (usage.inputCacheRead, cacheRead), (usage.inputCacheWrite, cacheWrite),
            (usage.outputText, output), (usage.outputReasoning, output),
        ]
        for (tokens, price) in parts {
            let (part, isTooLarge) = max(tokens, 0).multipliedReportingOverflow(by: price)
            let (next, overflows) = sum.addingReportingOverflow(part)
            if isTooLarge || overflows { return nil }
            sum = next
        }
        return PicoUSD(rawValue: sum)
    }
}

extension CustomCost {
    /// The cost of a call at the caller's own prices (reference: policies.md §12). A price that is not given is 0; of the two
    /// cache prices one given makes the other the input price, and without either cached tokens cost what input costs.
    /// - Returns: `nil` without usage, when tokens are what is priced.
    package func cost(of usage: TokenUsage?) -> PicoUSD? {
        if let totalCost { return PicoUSD(usd: totalCost) }
        guard let usage else { return nil }
        let input = perTokenIn ?? 0
        return ModelPrice(
            input: input, output: perTokenOut ?? 0, cacheRead: perCacheReadToken, cacheWrite: perCacheWriteToken)?
            .cost(of: usage)
    }
}
