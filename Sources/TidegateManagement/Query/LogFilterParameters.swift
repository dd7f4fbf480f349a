internal import TidegateCore

/// The deprecated parameters of the log list, each of them one condition. Their bounds are inclusive, unlike `lt` and `gt`.
enum LogFilterParameters {
    private typealias Parameter = (name: String, key: LogFilter.Key, operation: LogFilter.Operator)

    private static let parameters: [Parameter] = [
        ("start_date", .createdAt, .gte), ("end_date", .createdAt, .lte), ("cached", .cached, .eq),
        ("success", .success, .eq), ("feedback", .feedback, .eq), ("model", .model, .eq),
        ("model_type", .modelType, .eq), ("provider", .provider, .eq),
        ("request_content_type", .requestContentType, .eq), ("response_content_type", .responseContentType, .eq),
        ("min_cost", .cost, .gte), ("max_cost", .cost, .lte), ("min_duration", .duration, .gte),
        ("max_duration", .duration, .lte), ("min_tokens_in", .tokensIn, .gte), ("max_tokens_in", .tokensIn, .lte),
        ("min_tokens_out", .tokensOut, .gte), ("max_tokens_out", .tokensOut, .lte), ("min_total_tokens", .tokens, .gte),
        ("max_total_tokens", .tokens, .lte),
    ]

    static let names = Set(parameters.map(\.name))

    static func filters(in items: QueryItems) throws(APIFailure) -> [LogFilter] {
        var filters: [LogFilter] = []
        for (name, key, operation) in parameters {
            guard let text = try items.one(name), !text.isEmpty else { continue }
            let path: [APIFailure.Step] = ["query", .name(name)]
            let value = try LogFilterValues.value(.string(text), LogFilterValues.kind(of: key), at: path)
            if key == .feedback, value != .number(0), value != .number(1) { throw .invalid("Must be 0 or 1", at: path) }
            filters.append(LogFilter(key: key, operator: operation, values: [value]))
        }
        return filters
    }
}
