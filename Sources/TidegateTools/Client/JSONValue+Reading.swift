internal import Foundation
internal import TidegateCore

extension JSONValue {
    subscript(key: String) -> JSONValue? {
        guard case .object(let fields) = self else { return nil }
        return fields[key]
    }

    var items: [JSONValue] {
        guard case .array(let items) = self else { return [] }
        return items
    }

    var fields: [String: JSONValue] {
        guard case .object(let fields) = self else { return [:] }
        return fields
    }

    /// A whole number.
    var count: Int? {
        if case .integer(let number) = self { Int(number) } else { nil }
    }

    var text: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    /// For a table's cell: `-` for null, JSON text for what has parts.
    var cell: String {
        switch self {
        case .null: "-"
        case .bool(let value): value ? "yes" : "no"
        case .integer(let value): "\(value)"
        case .number(let value): Self.plain(value)
        case .string(let value): value
        case .array, .object: compactText
        }
    }

    /// Without an exponent where a person can read it: a cost is 0.0000318, not 3.18e-05.
    private static func plain(_ value: Double) -> String {
        guard value != 0, abs(value) < 0.001, abs(value) >= 1e-12 else { return "\(value)" }
        return String(format: "%.14f", value).replacing(/0+$/, with: "")
    }

    var compactText: String { encoded([.sortedKeys, .withoutEscapingSlashes]) }
    var prettyText: String { encoded([.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]) }

    private func encoded(_ format: JSONEncoder.OutputFormatting) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = format
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "null"
    }

    /// A value as people type it: JSON when it reads as JSON (`true`, `42`, `null`, `[1]`), else the text itself.
    static func typed(_ text: String) -> JSONValue {
        (try? JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))) ?? .string(text)
    }
}
