internal import TidegateCore

/// What a nested JSON value has to look like. Fields that a shape does not name are let through.
indirect enum Shape: Sendable {
    struct Problem: Equatable {
        var message: String
        var path: [APIFailure.Step]
    }

    case boolean
    case string
    case positive
    case choice([String])
    case array(of: Shape, max: Int = 1_000)
    /// Every value has the shape; with `keys`, no other key is allowed.
    case map(of: Shape, keys: Set<String>? = nil)
    case object([String: Shape], optional: [String: Shape] = [:])
    /// Two forms, told apart by a field that only the second has.
    case either(Shape, or: Shape, with: String)

    func problems(with value: JSONValue, at path: [APIFailure.Step]) -> [Problem] {
        switch (self, value) {
        case (.boolean, .bool), (.string, .string): []
        case (.positive, _) where (value.asDouble ?? 0) > 0: []
        case (.choice(let names), .string(let name)) where names.contains(name): []
        case (.array(let shape, let max), .array(let items)) where items.count <= max:
            items.enumerated().flatMap { shape.problems(with: $0.element, at: path + [.index($0.offset)]) }
        case (.map(let shape, let keys), .object(let fields)):
            fields.sorted { $0.key < $1.key }.flatMap { name, value in
                keys?.contains(name) == false
                    ? [Problem(message: "Unknown key", path: path + [.name(name)])]
                    : shape.problems(with: value, at: path + [.name(name)])
            }
        case (.object(let required, let optional), .object(let fields)):
            required.sorted { $0.key < $1.key }.flatMap { name, shape in
                fields[name].map { shape.problems(with: $0, at: path + [.name(name)]) }
                    ?? [Problem(message: "Required", path: path + [.name(name)])]
            }
                + optional.sorted { $0.key < $1.key }.flatMap { name, shape in
                    fields[name].map { shape.problems(with: $0, at: path + [.name(name)]) } ?? []
                }
        case (.either(let first, let second, let field), .object(let fields)):
            (fields[field] == nil ? first : second).problems(with: value, at: path)
        default: [Problem(message: "Must be \(wanted)", path: path)]
        }
    }

    private var wanted: String {
        switch self {
        case .boolean: "a boolean"
        case .string: "a string"
        case .positive: "a number above 0"
        case .choice(let names): "one of \(names.joined(separator: ", "))"
        case .array(_, let max): "an array of at most \(max)"
        case .map, .object, .either: "an object"
        }
    }
}

/// The nested fields of a gateway (reference/management-api.md §2.1–2.4).
extension Shape {
    private static let action = Shape.choice(["FLAG", "BLOCK"])
    private static let strings = Shape.array(of: .string)

    static let dlp = Shape.either(
        .object(["enabled": .boolean, "action": action, "profiles": strings]),
        or: .object([
            "enabled": .boolean,
            "policies": .array(
                of: .object([
                    "id": .string, "action": action, "check": .array(of: .choice(["REQUEST", "RESPONSE"])),
                    "enabled": .boolean, "profiles": strings,
                ])),
        ]), with: "policies")

    static let guardrails = Shape.object(["prompt": hazards, "response": hazards])
    private static let hazards = Shape.map(of: action, keys: Set((1...13).map { "S\($0)" } + ["P1"]))

    static let otel = Shape.array(
        of: .object(
            ["url": .string, "headers": .map(of: .string)],
            optional: ["authorization": .string, "content_type": .choice(["json", "protobuf"])]))

    static let spendLimits = Shape.object(
        [:],
        optional: [
            "enabled": .boolean,
            "rules": .array(
                of: .object(
                    ["limit": .positive, "limitType": .choice(["cost"]), "window": .positive],
                    optional: [
                        "id": .string, "enabled": .boolean, "technique": .choice(["fixed", "sliding"]),
                        "metadata": .map(
                            of: .either(.object(["mode": .choice(["partition"])]), or: filter, with: "values")),
                        "model": filter, "provider": filter,
                    ]), max: 20),
        ])
    private static let filter = Shape.object(["mode": .choice(["filter"]), "values": strings])

    static let stripe = Shape.object([
        "authorization": .string, "usage_events": .array(of: .object(["payload": .string])),
    ])
}
