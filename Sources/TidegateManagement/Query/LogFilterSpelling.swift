internal import TidegateCore

/// The spellings of `filters` in a query string: dotted names, interleaved (TypeScript SDK) or grouped by name (Python SDK),
/// or one JSON text.
enum LogFilterSpelling {
    /// A filter as it was spelled: nothing is known yet about its key, operator and values.
    struct Spelled: Equatable, Sendable {
        var key: String
        var `operator`: String
        var values: [JSONValue]
    }

    private enum Part: String { case key = "filters.key", `operator` = "filters.operator", value = "filters.value" }

    static func filters(in items: QueryItems) throws(APIFailure) -> [Spelled] {
        var dotted: [(part: Part, text: String)] = []
        for item in items.all where item.name.hasPrefix("filters") && item.name != "filters" {
            // Passing over an unknown spelling would show, or delete, rows that the client meant to leave out.
            guard let part = Part(rawValue: item.name) else {
                throw .invalid(
                    "Unknown spelling: use filters.key, filters.operator and filters.value, or one JSON text",
                    at: ["query", .name(item.name)])
            }
            dotted.append((part, item.value))
        }
        guard let text = try items.one("filters") else { return try read(dotted) }
        guard dotted.isEmpty else {
            throw .invalid("Given as JSON text and with dotted names at once", at: ["query", "filters"])
        }
        return try read(json: text)
    }

    private static func read(_ parts: [(part: Part, text: String)]) throws(APIFailure) -> [Spelled] {
        if parts.isEmpty { return [] }
        let keys = parts.filter { $0.part == .key }.map(\.text)
        let operators = parts.filter { $0.part == .operator }.map(\.text)
        let values = parts.filter { $0.part == .value }.map(\.text)
        for (name, list) in [("key", keys), ("operator", operators), ("value", values)] where list.isEmpty {
            let hint = name == "value" ? "; dotted names cannot say null: send filters as one JSON text" : ""
            throw .invalid("Required" + hint, at: ["query", "filters", .name(name)])
        }
        if keys.count == 1, operators.count == 1 {
            return [Spelled(key: keys[0], operator: operators[0], values: values.map(JSONValue.string))]
        }
        if isGrouped(parts.map(\.part)) {
            guard keys.count == operators.count, keys.count == values.count else { throw ambiguous }
            return keys.indices.map {
                Spelled(key: keys[$0], operator: operators[$0], values: [.string(values[$0])])
            }
        }
        return try interleaved(parts)
    }

    /// Names belong to the key before them: each key has one operator and at least one value.
    private static func interleaved(_ parts: [(part: Part, text: String)]) throws(APIFailure) -> [Spelled] {
        var found: [(key: String, operator: String?, values: [JSONValue])] = []
        for (part, text) in parts {
            switch part {
            case .key:
                found.append((text, nil, []))
                continue
            case _ where found.isEmpty: throw ambiguous
            case .operator where found[found.count - 1].operator == nil: found[found.count - 1].operator = text
            case .operator: throw ambiguous
            case .value: found[found.count - 1].values.append(.string(text))
            }
        }
        var filters: [Spelled] = []
        for one in found {
            guard let name = one.operator, !one.values.isEmpty else { throw ambiguous }
            filters.append(Spelled(key: one.key, operator: name, values: one.values))
        }
        return filters
    }

    /// Whether each name stands in one run, and there is more than one key.
    private static func isGrouped(_ parts: [Part]) -> Bool {
        let runs = parts.indices.filter { $0 == 0 || parts[$0] != parts[$0 - 1] }.count
        return runs == 3 && parts.filter { $0 == .key }.count > 1
    }

    private static var ambiguous: APIFailure {
        .invalid(
            "Ambiguous grouping: give each filter as filters.key, filters.operator, filters.value in turn, or the same "
                + "number of keys, operators and values", at: ["query", "filters"])
    }

    private static func read(json text: String) throws(APIFailure) -> [Spelled] {
        if text.isEmpty { return [] }
        guard case .array(let items)? = JSONValue(parsing: text.utf8) else {
            throw .invalid("Must be a JSON array of {key, operator, value}", at: ["query", "filters"])
        }
        var filters: [Spelled] = []
        for (index, item) in items.enumerated() {
            let path: [APIFailure.Step] = ["query", "filters", .index(index)]
            guard case .object(let fields) = item else { throw .invalid("Must be an object", at: path) }
            filters.append(
                Spelled(
                    key: try string("key", fields, path), operator: try string("operator", fields, path),
                    values: try values(fields["value"], path + ["value"])))
        }
        return filters
    }

    private static func string(
        _ name: String, _ fields: [String: JSONValue], _ path: [APIFailure.Step]
    ) throws(APIFailure) -> String {
        switch fields[name] {
        case .string(let text)?: text
        case nil: throw .invalid("Required", at: path + [.name(name)])
        default: throw .invalid("Must be a string", at: path + [.name(name)])
        }
    }

    /// An array, or one value by itself, which hand-written clients send.
    private static func values(_ value: JSONValue?, _ path: [APIFailure.Step]) throws(APIFailure) -> [JSONValue] {
        switch value {
        case nil: throw .invalid("Required", at: path)
        case .array(let items)?: items
        case .object?: throw .invalid("Must be an array", at: path)
        case let one?: [one]
        }
    }
}
