internal import TidegateCore

/// Turns a spelled filter into a `LogFilter`: values get the type of their key, so that `"5"` and `5` ask the same.
///
/// `created_at` becomes milliseconds since 1970; a value of metadata becomes its text.
enum LogFilterValues {
    enum Kind { case text, number, truth, time }

    static func kind(of key: LogFilter.Key) -> Kind {
        switch key {
        case .createdAt: .time
        case .success, .cached, .authentication, .wholesale, .compatibilityMode: .truth
        case .cost, .tokens, .tokensIn, .tokensOut, .duration, .feedback, .score, .statusCode, .step: .number
        case .id, .requestContentType, .responseContentType, .requestType, .provider, .model, .modelType, .path,
            .eventID, .metadataKey, .metadataValue, .dlpAction, .userAgent:
            .text
        }
    }

    static func filter(_ spelled: LogFilterSpelling.Spelled, at path: [APIFailure.Step]) throws(APIFailure) -> LogFilter
    {
        guard let key = LogFilter.Key(rawValue: spelled.key) else {
            throw .invalid("Unknown filter key", at: path + ["key"])
        }
        guard let operation = operators[spelled.operator] else {
            throw .invalid("Must be one of eq, neq, contains, lt, gt", at: path + ["operator"])
        }
        let kind = Self.kind(of: key)
        switch operation {
        case .contains where kind != .text:
            throw .invalid("contains works on text; \(key.rawValue) is none", at: path + ["operator"])
        case .lt where kind == .text || kind == .truth, .gt where kind == .text || kind == .truth:
            throw .invalid(
                "\(operation.rawValue) works on numbers and times; \(key.rawValue) is none", at: path + ["operator"])
        default: break
        }
        guard (1...LogQueryParser.valuesMax).contains(spelled.values.count) else {
            throw .invalid("From 1 to \(LogQueryParser.valuesMax) values", at: path + ["value"])
        }
        var values: [LogFilter.Value] = []
        for (index, value) in spelled.values.enumerated() {
            let place = path + ["value", .index(index)]
            let read = try Self.value(value, kind, at: place)
            if read == .null, operation != .eq, operation != .neq {
                throw .invalid("null can only be compared with eq and neq", at: place)
            }
            values.append(read)
        }
        return LogFilter(key: key, operator: operation, values: values)
    }

    private static let operators: [String: LogFilter.Operator] = [
        "eq": .eq, "neq": .neq, "contains": .contains, "lt": .lt, "gt": .gt,
    ]

    static func value(
        _ value: JSONValue, _ kind: Kind, at path: [APIFailure.Step]
    ) throws(APIFailure) -> LogFilter.Value {
        if value == .null { return .null }
        if case .string(let text) = value, text.utf8.count > LogQueryParser.textBytesMax {
            throw .invalid("Longer than \(LogQueryParser.textBytesMax) bytes", at: path)
        }
        let read: LogFilter.Value? =
            switch kind {
            case .text: text(value).map(LogFilter.Value.string)
            case .number: number(value).map(LogFilter.Value.number)
            case .truth: truth(value).map(LogFilter.Value.bool)
            case .time: time(value).map(LogFilter.Value.number)
            }
        guard let read else {
            let wanted =
                switch kind {
                case .text: "text, a number or a boolean"
                case .number: "a number"
                case .truth: "true or false"
                case .time: "a date such as 2026-10-01T09:00:00Z"
                }
            throw .invalid("Must be \(wanted)", at: path)
        }
        return read
    }

    private static func text(_ value: JSONValue) -> String? {
        switch value {
        case .string(let text): text
        case .bool(let truth): truth ? "true" : "false"
        case .integer, .number: String(decoding: JSONText(value).encoded(), as: UTF8.self)
        case .null, .array, .object: nil
        }
    }

    private static func number(_ value: JSONValue) -> Double? {
        guard case .string(let text) = value else { return value.asDouble }
        // Only what JSON calls a number: `Double` itself would read "nan" and "0x10" too.
        guard text.utf8.allSatisfy({ "0123456789+-.eE".utf8.contains($0) }), let number = Double(text) else {
            return nil
        }
        return number.isFinite ? number : nil
    }

    private static func truth(_ value: JSONValue) -> Bool? {
        switch value {
        case .bool(let truth): truth
        case .string("true"), .string("1"), .integer(1): true
        case .string("false"), .string("0"), .integer(0): false
        default: nil
        }
    }

    private static func time(_ value: JSONValue) -> Double? {
        if case .string(let text) = value, let time = Timestamp.milliseconds(text) { return Double(time) }
        // Milliseconds since 1970. What is shorter was meant otherwise: a year, or seconds.
        return number(value).flatMap { $0 >= Self.millisecondsMin ? $0 : nil }
    }

    /// In September 2001; seconds reach it in the year 33658.
    private static let millisecondsMin = 1e12
}
