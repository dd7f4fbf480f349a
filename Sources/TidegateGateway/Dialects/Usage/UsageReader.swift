internal import TidegateCore

/// Token counts as one provider's usage object names them, before they are told apart. A missing, negative, fractional or
/// absurdly large number is no number.
struct UsageCounts: Equatable, Sendable {
    var input: Int64?
    var output: Int64?
    var cacheRead: Int64?
    var cacheWrite: Int64?
    var reasoning: Int64?
    /// Gemini's results of tools, counted beside the prompt.
    var toolInput: Int64?
    var total: Int64?

    enum Field: Sendable { case input, output, cacheRead, cacheWrite, reasoning, toolInput, total }

    subscript(field: Field) -> Int64? {
        get {
            switch field {
            case .input: input
            case .output: output
            case .cacheRead: cacheRead
            case .cacheWrite: cacheWrite
            case .reasoning: reasoning
            case .toolInput: toolInput
            case .total: total
            }
        }
        set {
            switch field {
            case .input: input = newValue
            case .output: output = newValue
            case .cacheRead: cacheRead = newValue
            case .cacheWrite: cacheWrite = newValue
            case .reasoning: reasoning = newValue
            case .toolInput: toolInput = newValue
            case .total: total = newValue
            }
        }
    }

    /// More than any call can cost; keeps every sum within 64 bits.
    static let countMax: Int64 = 1 << 50

    /// Later numbers replace earlier ones of the same name (Anthropic's stream reports cumulative counts in parts).
    mutating func merge(_ later: UsageCounts) {
        input = later.input ?? input
        output = later.output ?? output
        cacheRead = later.cacheRead ?? cacheRead
        cacheWrite = later.cacheWrite ?? cacheWrite
        reasoning = later.reasoning ?? reasoning
        toolInput = later.toolInput ?? toolInput
        total = later.total ?? total
    }
}

/// Reads one usage object.
struct UsageReader: Sendable {
    /// Whether cached input is part of the input count or stands beside it.
    private enum Accounting { case inclusive, separate, gemini }

    private let paths: FieldPaths
    /// For each path, the count that it fills unless an earlier path did.
    private let fields: [UsageCounts.Field]
    private let accounting: Accounting

    private init(_ accounting: Accounting, _ names: [(String, UsageCounts.Field)]) {
        self.accounting = accounting
        paths = FieldPaths(names.map(\.0))
        fields = names.map(\.1)
    }

    static func reader(for format: UsageFormat) -> UsageReader? {
        switch format {
        case .openAIChat, .openAIResponses, .openAIEmbeddings, .workersAI: openAI
        case .anthropic: anthropic
        case .gemini: gemini
        case .cohere: cohere
        case .bedrock: bedrock
        case .replicate: replicate
        case .none: nil
        }
    }

    /// - Returns: `nil` when the object is malformed or has neither an input nor an output count.
    func counts(_ object: UnsafeRawBufferPointer) -> UsageCounts? {
        let scanned = try? FieldScanner.scan(object, for: paths) { found -> UsageCounts in
            var counts = UsageCounts()
            for (slot, field) in fields.enumerated() where counts[field] == nil {
                guard let value = found[slot].integer(in: object), value >= 0, value <= UsageCounts.countMax else {
                    continue
                }
                counts[field] = value
            }
            return counts
        }
        guard let scanned, scanned.input != nil || scanned.output != nil else { return nil }
        return scanned
    }

    /// Tells the counts apart into buckets that do not overlap.
    func usage(_ counts: UsageCounts) -> TokenUsage {
        let input = counts.input ?? 0
        let output = counts.output ?? 0
        let read = counts.cacheRead ?? 0
        let write = counts.cacheWrite ?? 0
        let reasoning = counts.reasoning ?? 0
        switch accounting {
        case .separate:
            return TokenUsage(
                inputUncached: input, inputCacheRead: read, inputCacheWrite: write, outputText: output)
        case .gemini:
            let cached = min(read, input)
            return TokenUsage(
                inputUncached: input - cached + (counts.toolInput ?? 0), inputCacheRead: cached, outputText: output,
                outputReasoning: reasoning)
        case .inclusive:
            let cached = min(read, input)
            let written = min(write, input - cached)
            // Some servers (xAI) count reasoning beside the completion; their total shows it.
            let isBeside = reasoning > 0 && counts.total == input + output + reasoning
            let thought = isBeside ? reasoning : min(reasoning, output)
            return TokenUsage(
                inputUncached: input - cached - written, inputCacheRead: cached, inputCacheWrite: written,
                outputText: isBeside ? output : output - thought, outputReasoning: thought)
        }
    }

    private static let openAI = UsageReader(
        .inclusive,
        [
            ("prompt_tokens", .input), ("input_tokens", .input),
            ("completion_tokens", .output), ("output_tokens", .output),
            ("prompt_tokens_details.cached_tokens", .cacheRead), ("input_tokens_details.cached_tokens", .cacheRead),
            ("prompt_cache_hit_tokens", .cacheRead),
            ("prompt_tokens_details.cache_write_tokens", .cacheWrite),
            ("input_tokens_details.cache_write_tokens", .cacheWrite),
            ("completion_tokens_details.reasoning_tokens", .reasoning),
            ("output_tokens_details.reasoning_tokens", .reasoning), ("total_tokens", .total),
        ])
    private static let anthropic = UsageReader(
        .separate,
        [
            ("input_tokens", .input), ("output_tokens", .output), ("cache_read_input_tokens", .cacheRead),
            ("cache_creation_input_tokens", .cacheWrite),
        ])
    private static let gemini = UsageReader(
        .gemini,
        [
            ("promptTokenCount", .input), ("candidatesTokenCount", .output), ("thoughtsTokenCount", .reasoning),
            ("cachedContentTokenCount", .cacheRead), ("toolUsePromptTokenCount", .toolInput),
        ])
    private static let cohere = UsageReader(.separate, [("input_tokens", .input), ("output_tokens", .output)])
    private static let bedrock = UsageReader(
        .separate,
        [
            ("inputTokens", .input), ("outputTokens", .output), ("cacheReadInputTokens", .cacheRead),
            ("cacheWriteInputTokens", .cacheWrite),
        ])
    private static let replicate = UsageReader(
        .separate, [("input_token_count", .input), ("output_token_count", .output)])
}
