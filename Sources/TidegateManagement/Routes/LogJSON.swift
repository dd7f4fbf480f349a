internal import TidegateCore

/// A row as the API shows it (reference/management-api.md §3.1): short in lists, long by id.
enum LogJSON {
    static func short(_ row: LogRow) -> JSONText {
        .object(common(row) + [("request", .string("")), ("response", .string(""))])
    }

    static func long(_ row: LogRow) -> JSONText {
        let record = row.record
        return .object(
            common(row) + head("request", row.requestHead, whole: record.requestBytes)
                + head(
                    "response", row.responseHead, whole: record.responseBytes, hasEnded: record.outcome != .aborted))
    }

    private static func common(_ row: LogRow) -> [(String, JSONText)] {
        let record = row.record
        let flags = record.flags
        return [
            ("id", .string(record.id.description)), ("created_at", .string(Timestamp.text(row.createdAtMs))),
            ("duration", .integer(Int64(record.durationMs))), ("model", .string(record.model)),
            ("path", .string(record.path)), ("provider", .string(record.provider)),
            ("success", .bool(record.isSuccess)), ("cached", .bool(flags.contains(.cached))),
            ("tokens_in", .optional(record.usage?.input)), ("tokens_out", .optional(record.usage?.output)),
            ("cost", .optional(record.cost?.usd)), ("custom_cost", .bool(flags.contains(.customCost))),
            ("metadata", metadata(row.metadata)), ("model_type", .string(record.modelType)),
            ("request_content_type", .string(record.requestContentType)), ("request_type", .string(record.requestType)),
            ("response_content_type", .string(record.responseContentType)),
            ("status_code", .integer(Int64(record.statusCode))), ("step", .integer(Int64(record.step))),
            ("event_id", .string(record.eventID)), ("usage_metadata", usage(record.usage)),
            (
                "timings",
                .object([
                    ("total", .integer(Int64(record.durationMs))), ("latency", .integer(Int64(record.latencyMs))),
                ])
            ),
            ("feedback", .optional(row.feedback)), ("score", .optional(row.score)),
            ("authentication", .bool(flags.contains(.authenticated))), ("wholesale", .bool(false)),
            ("byok", .bool(flags.contains(.byok))), ("user_agent", .string(record.userAgent)),
            ("compatibilityMode", .bool(flags.contains(.compatibility))), ("dlp_action", .null),
            ("dlp_profiles", .null), ("guardrails", .null), ("prompts", .null), ("location", .null),
            // Ours: how the call ended, and what tokens and cost rest on.
            ("outcome", .string(outcome(record.outcome))), ("attempts", .integer(Int64(record.attempts))),
            ("streamed", .bool(flags.contains(.streamed))), ("usage_source", .string(source(record.usageSource))),
            ("price_version", .string(record.priceVersion)),
        ]
    }

    private static func outcome(_ outcome: RecordOutcome) -> String {
        switch outcome {
        case .completed: "completed"
        case .clientLeft: "client_left"
        case .upstreamFailed: "upstream_failed"
        case .timedOut: "timed_out"
        case .refused: "refused"
        case .aborted: "aborted"
        }
    }

    private static func source(_ source: UsageSource) -> String {
        switch source {
        case .none: "none"
        case .provider: "provider"
        case .drained: "drained"
        }
    }

    private static func usage(_ usage: TokenUsage?) -> JSONText {
        guard let usage else { return .null }
        return .object([
            ("input_tokens", .integer(usage.input)), ("output_tokens", .integer(usage.output)),
            ("total_tokens", .integer(usage.total)), ("output_reasoning_tokens", .integer(usage.outputReasoning)),
            ("input_cached_tokens", .integer(usage.inputCacheRead)),
            ("input_cache_write_tokens", .integer(usage.inputCacheWrite)),
        ])
    }

    /// The object as it was written when it is one, else its text.
    private static func metadata(_ text: String) -> JSONText {
        if text.isEmpty { return .object([]) }
        guard case .object? = JSONValue(parsing: text.utf8) else { return .string(text) }
        return .raw(text)
    }

    private static func head(
        _ name: String, _ head: [UInt8]?, whole: UInt64, hasEnded: Bool = true
    ) -> [(String, JSONText)] {
        let bytes = head ?? []
        let isComplete = hasEnded && UInt64(bytes.count) >= whole
        return [
            ("\(name)_head", .string(String(decoding: isComplete ? bytes[...] : cut(bytes), as: UTF8.self))),
            ("\(name)_head_complete", .bool(isComplete)), ("\(name)_size", .integer(Int64(clamping: whole))),
        ]
    }

    /// Without the beginning of a character whose end was cut off.
    private static func cut(_ bytes: [UInt8]) -> ArraySlice<UInt8> {
        for length in 1...4 where length <= bytes.count {
            let lead = bytes[bytes.count - length]
            if lead & 0xC0 == 0x80 { continue }
            let wanted = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2
            return wanted > length ? bytes.dropLast(length) : bytes[...]
        }
        return bytes[...]
    }
}
