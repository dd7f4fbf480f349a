internal import TidegateCore

#if canImport(FoundationEssentials)
    internal import FoundationEssentials
#else
    internal import Foundation
#endif

extension JSONText {
    /// Fields come in the order of their names: the value has forgotten the order they came in.
    init(_ value: JSONValue) {
        switch value {
        case .null: self = .null
        case .bool(let value): self = .bool(value)
        case .integer(let value): self = .integer(value)
        case .number(let value): self = .number(value)
        case .string(let value): self = .string(value)
        case .array(let items): self = .array(items.map { JSONText($0) })
        case .object(let fields):
            self = .object(fields.sorted { $0.key < $1.key }.map { ($0.key, JSONText($0.value)) })
        }
    }

    static func optional(_ value: JSONValue?) -> JSONText { value.map { JSONText($0) } ?? .null }
}

extension JSONValue {
    /// - Returns: `nil` when the bytes are not one JSON value (nested at most as deep as Foundation reads, 512).
    init?(parsing bytes: some Sequence<UInt8>) {
        guard let value = try? JSONDecoder().decode(JSONValue.self, from: Data(bytes)) else { return nil }
        self = value
    }

    /// What a message calls this kind of value.
    var kind: String {
        switch self {
        case .null: "null"
        case .bool: "boolean"
        case .integer, .number: "number"
        case .string: "string"
        case .array: "array"
        case .object: "object"
        }
    }

    var asDouble: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value) where value.isFinite: value
        default: nil
        }
    }
}
