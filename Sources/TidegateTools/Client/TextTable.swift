internal import TidegateCore

/// Columns of text, as wide as their widest cell. Numbers stand right.
struct TextTable: Sendable {
    struct Column: Sendable {
        var title: String
        var read: @Sendable (JSONValue) -> JSONValue?

        init(_ title: String, _ key: String) { self.init(title) { $0[key] } }

        init(_ title: String, read: @escaping @Sendable (JSONValue) -> JSONValue?) {
            self.title = title
            self.read = read
        }
    }

    var columns: [Column]

    func render(_ rows: [JSONValue], empty: String, showsTitles: Bool = true) -> String {
        guard !rows.isEmpty else { return empty }
        let values = rows.map { row in columns.map { $0.read(row) ?? .null } }
        let cells = (showsTitles ? [columns.map(\.title)] : []) + values.map { $0.map(\.cell) }
        let widths = columns.indices.map { column in
            max(columns[column].title.count, cells.map { $0[column].count }.max() ?? 0)
        }
        let isNumeric = columns.indices.map { column in values.allSatisfy { Self.isNumber($0[column]) } }
        return cells.map { line in
            columns.indices.map { column in
                let padding = String(repeating: " ", count: widths[column] - line[column].count)
                return isNumeric[column] ? padding + line[column] : line[column] + padding
            }
            .joined(separator: "  ").trimmingTrailingSpaces()
        }
        .joined(separator: "\n")
    }

    /// One object as lines of `key  value`.
    static func fields(_ value: JSONValue) -> String {
        let fields = value.fields.sorted { $0.key < $1.key }
        let width = fields.map(\.key.count).max() ?? 0
        return fields.map { key, value in
            key + String(repeating: " ", count: width - key.count + 2) + value.cell
        }
        .joined(separator: "\n")
    }

    private static func isNumber(_ value: JSONValue) -> Bool {
        switch value {
        case .integer, .number, .null: true
        case .bool, .string, .array, .object: false
        }
    }
}

extension String {
    fileprivate func trimmingTrailingSpaces() -> String {
        var text = self
        while text.last == " " { text.removeLast() }
        return text
    }
}
