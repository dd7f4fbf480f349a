internal import ArgumentParser
internal import TidegateCore

/// One condition on a command line: `provider eq openai`, `status_code gt 399`, `model eq gpt-4o,gpt-4o-mini`.
package struct LogFilterArgument: ExpressibleByArgument, Equatable, Sendable {
    package var key: String
    package var `operator`: String
    /// Several are alternatives.
    package var values: [String]

    /// - Throws: what is wrong, and what there is instead.
    static func read(_ text: String) throws -> LogFilterArgument {
        if let filter = LogFilterArgument(argument: text) { return filter }
        let words = text.split(separator: " ", maxSplits: 2).map(String.init)
        guard words.count == 3 else {
            throw ValidationError("A filter is 'KEY OPERATOR VALUE', as in 'provider eq openai'; got '\(text)'.")
        }
        guard LogFilter.Key(rawValue: words[0]) != nil else {
            let keys = LogFilter.Key.allCases.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("'\(words[0])' is no key of a filter. There are \(keys).")
        }
        throw ValidationError("'\(words[1])' is no operator. There are eq, neq, contains, lt and gt.")
    }

    package init?(argument: String) {
        let words = argument.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: true).map(String.init)
        guard words.count == 3, LogFilter.Key(rawValue: words[0]) != nil,
            LogFilter.Operator(rawValue: words[1]) != nil
        else { return nil }
        key = words[0]
        `operator` = words[1]
        values = words[2].split(separator: ",").map(String.init)
        if values.isEmpty { return nil }
    }

    /// Keys whose values stay text even when they look like numbers.
    private static let textual: Set<String> = ["id", "model", "event_id", "metadata.key", "user_agent", "created_at"]

    var json: JSONValue {
        .object([
            "key": .string(key), "operator": .string(`operator`),
            "value": .array(values.map { Self.textual.contains(key) ? .string($0) : .typed($0) }),
        ])
    }

    static func query(_ filters: [LogFilterArgument]) -> [(String, String)] {
        filters.isEmpty ? [] : [("filters", JSONValue.array(filters.map(\.json)).compactText)]
    }
}
