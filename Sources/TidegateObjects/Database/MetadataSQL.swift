internal import TidegateCore

/// Conditions on the entries of a row's metadata. One on keys and one on values need not meet in the same entry.
enum MetadataSQL {
    /// What is not a JSON object has no entries; `json_each` would fail the whole query on it.
    private static let object =
        """
        CASE WHEN json_valid(\(RowColumns.metadata)) THEN CASE json_type(\(RowColumns.metadata)) \
        WHEN 'object' THEN \(RowColumns.metadata) ELSE '{}' END ELSE '{}' END
        """

    static func condition(_ filter: LogFilter, _ value: LogFilter.Value) throws(TidegateError) -> (
        String, [SQLValue]
    ) {
        let (text, values) = filter.key == .metadataKey ? try key(filter, value) : try self.value(filter, value)
        return (text, values)
    }

    private static func some(_ condition: String) -> String {
        "EXISTS (SELECT 1 FROM json_each(\(object)) AS entry WHERE \(condition))"
    }

    private static func key(_ filter: LogFilter, _ value: LogFilter.Value) throws(TidegateError) -> (
        String, [SQLValue]
    ) {
        switch (filter.operator, value) {
        case (.eq, .null), (.neq, .null): return ("NOT " + some("1"), [])
        case (.eq, _), (.neq, _): return (some("entry.key = ?"), [.text(value.text)])
        case (.contains, _):
            return (some("entry.key LIKE ? ESCAPE '\\'"), [.text(try FilterSQL.part(filter, value))])
        case (.lt, _), (.gt, _), (.gte, _), (.lte, _): throw filter.invalid("is text: use eq, neq or contains")
        }
    }

    private static func value(_ filter: LogFilter, _ value: LogFilter.Value) throws(TidegateError) -> (
        String, [SQLValue]
    ) {
        switch (filter.operator, value) {
        case (.eq, .null), (.neq, .null): return (some("entry.type = 'null'"), [])
        case (.eq, _), (.neq, _):
            var values: [SQLValue] = [.text(value.text), .text(value.text)]
            guard let number = value.number else {
                return (some("\(textIs)"), values)
            }
            values.append(.real(number))
            return (some("\(textIs) OR (entry.type IN ('integer', 'real') AND entry.value = ?)"), values)
        case (.contains, _):
            let form = "CASE WHEN entry.type IN ('true', 'false') THEN entry.type ELSE CAST(entry.value AS TEXT) END"
            return (some("(\(form)) LIKE ? ESCAPE '\\'"), [.text(try FilterSQL.part(filter, value))])
        case (let order, _):
            guard let number = value.number else { throw filter.invalid("compares numbers, not \"\(value.shown)\"") }
            let sign =
                switch order {
                case .lt: "<"
                case .gte: ">="
                case .lte: "<="
                default: ">"
                }
            return (some("entry.type IN ('integer', 'real') AND entry.value \(sign) ?"), [.real(number)])
        }
    }

    private static let textIs =
        "(entry.type = 'text' AND entry.value = ?) OR (entry.type IN ('true', 'false') AND entry.type = ?)"
}
