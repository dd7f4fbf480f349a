internal import TidegateCore

/// The conditions of a query as SQL text with its values apart.
struct FilterSQL {
    /// Values over all filters: SQLite's expressions may be 1000 deep.
    static let valuesMax = 500
    static let textBytesMax = 4_096

    private(set) var conditions: [String] = []
    private(set) var values: [SQLValue] = []

    var clause: String { conditions.isEmpty ? "" : " WHERE " + conditions.joined(separator: " AND ") }

    /// - Throws: `.invalidRequest` naming the key and what to do.
    init(_ query: LogQuery) throws(TidegateError) {
        guard query.filters.reduce(0, { $0 + $1.values.count }) <= Self.valuesMax else {
            throw TidegateError(.invalidRequest, "filters hold more than \(Self.valuesMax) values. Send fewer.")
        }
        for filter in query.filters { try add(filter) }
        if let search = query.search, !search.isEmpty { try add(search: search) }
    }

    mutating func add(_ condition: String, _ values: [SQLValue]) {
        conditions.append("(\(condition))")
        self.values += values
    }

    private mutating func add(_ filter: LogFilter) throws(TidegateError) {
        guard !filter.values.isEmpty else { throw filter.invalid("needs at least one value") }
        var alternatives: [String] = []
        for value in filter.values {
            let (text, bound) = try Self.condition(filter, value)
            alternatives.append("(\(text))")
            values += bound
        }
        let any = alternatives.joined(separator: " OR ")
        conditions.append(filter.operator == .neq ? "NOT ifnull(\(any), 0)" : "(\(any))")
    }

    private mutating func add(search: String) throws(TidegateError) {
        guard search.utf8.count <= Self.textBytesMax else {
            throw TidegateError(.invalidRequest, "search is longer than \(Self.textBytesMax) bytes. Shorten it.")
        }
        let places = [
            "log.path", "log.model", "log.provider", "log.eventID", RowColumns.metadata, FilterField.idText,
        ]
        add(
            places.map { "(\($0)) LIKE ? ESCAPE '\\'" }.joined(separator: " OR "),
            Array(repeating: .text(Self.pattern(search)), count: places.count))
    }

    private static func condition(_ filter: LogFilter, _ value: LogFilter.Value) throws(TidegateError) -> (
        String, [SQLValue]
    ) {
        switch FilterField(filter.key) {
        case .text(let column): try text(column, filter, value)
        case .bool(let column): try bool(column, filter, value)
        case .number(let column, let scale): try number(column, filter, value, scale: scale)
        case .time(let column): try time(column, filter, value)
        case .id: try id(filter, value)
        case .metadataKey, .metadataValue: try MetadataSQL.condition(filter, value)
        }
    }

    private static func text(_ column: String, _ filter: LogFilter, _ value: LogFilter.Value) throws(TidegateError)
        -> (String, [SQLValue])
    {
        switch (filter.operator, value) {
        case (.eq, .null), (.neq, .null): return ("\(column) = ''", [])
        case (.eq, _), (.neq, _): return ("\(column) = ?", [.text(value.text)])
        case (.contains, _): return ("\(column) LIKE ? ESCAPE '\\'", [.text(try part(filter, value))])
        case (.lt, _), (.gt, _), (.gte, _), (.lte, _): throw filter.invalid("is text: use eq, neq or contains")
        }
    }

    private static func bool(_ column: String, _ filter: LogFilter, _ value: LogFilter.Value) throws(TidegateError)
        -> (String, [SQLValue])
    {
        guard filter.operator == .eq || filter.operator == .neq else {
            throw filter.invalid("is true or false: use eq or neq")
        }
        switch value.text.lowercased() {
        case "true", "1": return ("\(column) = 1", [])
        case "false", "0": return ("\(column) = 0", [])
        case _ where value == .null: return ("0", [])
        default: throw filter.invalid("is true or false, not \"\(value.shown)\"")
        }
    }

    private static func number(
        _ column: String, _ filter: LogFilter, _ value: LogFilter.Value, scale: Double
    ) throws(TidegateError) -> (String, [SQLValue]) {
        if value == .null { return try null(column, filter) }
        guard let number = value.number else { throw filter.invalid("is a number, not \"\(value.shown)\"") }
        let bound = SQLValue.real(scale == 1 ? number : (number * scale).rounded())
        return (try comparison(column, filter), [bound])
    }

    private static func time(_ column: String, _ filter: LogFilter, _ value: LogFilter.Value) throws(TidegateError)
        -> (String, [SQLValue])
    {
        if value == .null { return try null(column, filter) }
        let instant: Int64? =
            switch value {
            case .string(let text): InstantText.milliseconds(text)
            case .number(let number): Int64(exactly: number.rounded())
            case .bool, .null: nil
            }
        guard let instant else {
            throw filter.invalid("is a time such as 2026-11-24T10:00:00Z or milliseconds, not \"\(value.shown)\"")
        }
        return (try comparison(column, filter), [.integer(instant)])
    }

    private static func id(_ filter: LogFilter, _ value: LogFilter.Value) throws(TidegateError) -> (
        String, [SQLValue]
    ) {
        guard filter.operator == .eq || filter.operator == .neq else {
            return try text(FilterField.idText, filter, value)
        }
        guard let id = RecordID(value.text) else { return ("0", []) }
        return ("log.idHigh = ? AND log.idLow = ?", [.integer(id.high), .integer(id.low)])
    }

    private static func null(_ column: String, _ filter: LogFilter) throws(TidegateError) -> (String, [SQLValue]) {
        guard filter.operator == .eq || filter.operator == .neq else {
            throw filter.invalid("compares null only by eq and neq")
        }
        return ("\(column) IS NULL", [])
    }

    private static func comparison(_ column: String, _ filter: LogFilter) throws(TidegateError) -> String {
        switch filter.operator {
        case .eq, .neq: "\(column) = ?"
        case .lt: "\(column) < ?"
        case .gt: "\(column) > ?"
        case .gte: "\(column) >= ?"
        case .lte: "\(column) <= ?"
        case .contains: throw filter.invalid("is no text: use eq, neq, lt or gt")
        }
    }

    /// The value of a `contains` as a LIKE pattern.
    static func part(_ filter: LogFilter, _ value: LogFilter.Value) throws(TidegateError) -> String {
        guard value != .null, value.text.utf8.count <= textBytesMax else {
            throw filter.invalid("needs a text of at most \(textBytesMax) bytes for contains")
        }
        return pattern(value.text)
    }

    private static func pattern(_ text: String) -> String {
        var pattern = "%"
        for character in text.unicodeScalars {
            if character == "%" || character == "_" || character == "\\" { pattern.unicodeScalars.append("\\") }
            pattern.unicodeScalars.append(character)
        }
        return pattern + "%"
    }
}
