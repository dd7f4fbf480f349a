import Foundation
import TidegateCore

/// The meaning of a query, said a second time in plain Swift over rows in memory.
enum DatabaseQueryOracle {
    static func rows(_ query: LogQuery, of rows: [LogRow]) -> [LogRow] {
        let matching = rows.filter { row in
            query.filters.allSatisfy { matches($0, row) } && (query.search.map { search($0, row) } ?? true)
        }
        let sorted = matching.sorted { one, other in
            let (a, b) = (key(query.order, one), key(query.order, other))
            return a == b ? one.lsn < other.lsn : precedes(a, b)
        }
        return query.isDescending ? sorted.reversed() : sorted
    }

    private static func matches(_ filter: LogFilter, _ row: LogRow) -> Bool {
        let any = filter.values.contains { matches(filter, $0, row) }
        return filter.operator == .neq ? !any : any
    }

    private static func matches(_ filter: LogFilter, _ value: LogFilter.Value, _ row: LogRow) -> Bool {
        let record = row.record
        let usage = record.usage
        return switch filter.key {
        case .id: text("\(record.id)", filter, value)
        case .createdAt: number(Double(row.createdAtMs), filter, value)
        case .provider: text(record.provider, filter, value)
        case .model: text(record.model, filter, value)
        case .modelType: text(record.modelType, filter, value)
        case .path: text(record.path, filter, value)
        case .eventID: text(record.eventID, filter, value)
        case .userAgent: text(record.userAgent, filter, value)
        case .requestContentType: text(record.requestContentType, filter, value)
        case .responseContentType: text(record.responseContentType, filter, value)
        case .requestType: text(record.requestType, filter, value)
        case .dlpAction: text("", filter, value)
        case .success: bool(record.isSuccess, value)
        case .cached: bool(record.flags.contains(.cached), value)
        case .authentication: bool(record.flags.contains(.authenticated), value)
        case .compatibilityMode: bool(record.flags.contains(.compatibility), value)
        case .wholesale: bool(false, value)
        case .cost: number(record.cost.map { $0.usd }, filter, value)
        case .tokens: number(usage.map { Double($0.total) }, filter, value)
        case .tokensIn: number(usage.map { Double($0.input) }, filter, value)
        case .tokensOut: number(usage.map { Double($0.output) }, filter, value)
        case .duration: number(Double(record.durationMs), filter, value)
        case .step: number(Double(record.step), filter, value)
        case .statusCode: number(Double(record.statusCode), filter, value)
        case .feedback: number(row.feedback, filter, value)
        case .score: number(row.score, filter, value)
        case .metadataKey: entries(row).isEmpty ? value == .null : entries(row).contains { text($0.0, filter, value) }
        case .metadataValue: entries(row).contains { entry($0.1, filter, value) }
        }
    }

    private static func spelled(_ value: LogFilter.Value) -> String {
        switch value {
        case .string(let text): text
        case .number(let number): "\(Int(number))"
        case .bool(let bool): "\(bool)"
        case .null: ""
        }
    }

    private static func numeric(_ value: LogFilter.Value) -> Double? {
        switch value {
        case .string(let text): Double(text)
        case .number(let number): number
        case .bool, .null: nil
        }
    }

    /// As SQLite's LIKE folds: ASCII only.
    private static func folded(_ text: String) -> [UInt8] {
        text.utf8.prefix { $0 != 0 }.map { (65...90).contains($0) ? $0 + 32 : $0 }
    }

    private static func contains(_ text: String, _ part: String) -> Bool {
        let (text, part) = (folded(text), folded(part))
        guard !part.isEmpty else { return true }
        guard text.count >= part.count else { return false }
        return (0...(text.count - part.count)).contains { text[$0..<($0 + part.count)].elementsEqual(part) }
    }

    private static func text(_ text: String, _ filter: LogFilter, _ value: LogFilter.Value) -> Bool {
        filter.operator == .contains
            ? contains(text, spelled(value)) : Array(text.utf8) == Array(spelled(value).utf8)
    }

    private static func bool(_ bool: Bool, _ value: LogFilter.Value) -> Bool {
        switch value {
        case .bool(let wanted): bool == wanted
        case .null: false
        default: ["true", "1"].contains(spelled(value)) == bool
        }
    }

    private static func number(_ number: Double?, _ filter: LogFilter, _ value: LogFilter.Value) -> Bool {
        guard let wanted = numeric(value) else { return number == nil }
        guard let number else { return false }
        return switch filter.operator {
        case .lt: number < wanted
        case .gt: number > wanted
        default: abs(number - wanted) < 1e-9
        }
    }

    private static func entries(_ row: LogRow) -> [(String, JSONValue)] {
        guard case .object(let object)? = try? JSONDecoder().decode(JSONValue.self, from: Data(row.metadata.utf8))
        else {
            return []
        }
        return object.map { ($0.key, $0.value) }
    }

    private static func entry(_ entry: JSONValue, _ filter: LogFilter, _ value: LogFilter.Value) -> Bool {
        switch entry {
        case .null: return value == .null && filter.operator != .contains
        case .bool(let bool): return filter.operator.isText && text("\(bool)", filter, value) && value != .null
        case .integer(let integer):
            if filter.operator == .contains { return contains("\(integer)", spelled(value)) }
            return numeric(value) != nil && number(Double(integer), filter, value)
        case .string(let string): return filter.operator.isText && value != .null && text(string, filter, value)
        case .number, .array, .object: return false
        }
    }

    private static func search(_ part: String, _ row: LogRow) -> Bool {
        let record = row.record
        return [record.path, record.model, record.provider, record.eventID, row.metadata, "\(record.id)"]
            .contains { contains($0, part) }
    }

    private enum Key: Equatable {
        case number(Double), text([UInt8])
    }

    private static func precedes(_ one: Key, _ other: Key) -> Bool {
        switch (one, other) {
        case (.number(let a), .number(let b)): a < b
        case (.text(let a), .text(let b)): a.lexicographicallyPrecedes(b)
        default: false
        }
    }

    private static func key(_ order: LogQuery.Order, _ row: LogRow) -> Key {
        let record = row.record
        return switch order {
        case .createdAt: .number(Double(row.createdAtMs))
        case .provider: .text(Array(record.provider.utf8))
        case .model: .text(Array(record.model.utf8))
        case .modelType: .text(Array(record.modelType.utf8))
        case .success: .number(record.isSuccess ? 1 : 0)
        case .cached: .number(record.flags.contains(.cached) ? 1 : 0)
        case .cost: .number(record.cost.map { Double($0.rawValue) } ?? -1e18)
        case .tokensIn: .number(record.usage.map { Double($0.input) } ?? -1e18)
        case .tokensOut: .number(record.usage.map { Double($0.output) } ?? -1e18)
        case .duration: .number(Double(record.durationMs))
        case .feedback: .number(row.feedback ?? -1e18)
        }
    }
}

extension LogFilter.Operator {
    fileprivate var isText: Bool { self == .eq || self == .neq || self == .contains }
}
