internal import TidegateCore

/// Reads the fields of a JSON body and gathers what is wrong with them, so that one answer names every field.
struct BodyReader {
    private let fields: [String: JSONValue]
    private(set) var issues: [APIFailure.Issue] = []

    init(_ body: [UInt8]) throws(APIFailure) {
        guard let value = JSONValue(parsing: body) else {
            throw .invalid("The body is not valid JSON", at: ["body"])
        }
        guard case .object(let fields) = value else {
            throw .invalid("Must be an object", at: ["body"])
        }
        self.fields = fields
    }

    func has(_ name: String) -> Bool { fields[name] != nil }
    func isNull(_ name: String) -> Bool { fields[name] == .null }
    subscript(_ name: String) -> JSONValue? { fields[name] }

    mutating func refuse(_ message: String, _ path: APIFailure.Step...) { refuse(message, at: path) }

    mutating func refuse(_ message: String, at path: [APIFailure.Step]) {
        issues.append(.init(code: APIFailure.Code.invalid, message: message, path: ["body"] + path))
    }

    /// To be called last.
    func finish() throws(APIFailure) {
        if !issues.isEmpty { throw APIFailure(invalid: issues) }
    }

    /// The field's value when it is there and good. A missing or null one is refused when it is required.
    mutating func value<Value>(
        _ name: String, required: Bool = false, nullable: Bool = false, wanted: String,
        _ read: (JSONValue) -> Value?
    ) -> Value? {
        guard let field = fields[name] else {
            if required { refuse("Required", .name(name)) }
            return nil
        }
        if field == .null, nullable { return nil }
        if let value = read(field) { return value }
        refuse("Must be \(wanted)", .name(name))
        return nil
    }

    mutating func boolean(_ name: String, required: Bool = false, nullable: Bool = false) -> Bool? {
        value(name, required: required, nullable: nullable, wanted: "a boolean") {
            if case .bool(let value) = $0 { value } else { nil }
        }
    }

    mutating func integer(
        _ name: String, in range: ClosedRange<Int>, required: Bool = false, nullable: Bool = true
    ) -> Int? {
        let wanted =
            range.upperBound == .max
            ? "an integer of at least \(range.lowerBound)"
            : "an integer from \(range.lowerBound) to \(range.upperBound)"
        return value(name, required: required, nullable: nullable, wanted: wanted) {
            guard case .integer(let value) = $0, let number = Int(exactly: value), range.contains(number) else {
                return nil
            }
            return number
        }
    }

    mutating func number(_ name: String, in range: ClosedRange<Double>) -> Double? {
        value(
            name, nullable: true, wanted: "a number from \(Int(range.lowerBound)) to \(Int(range.upperBound))"
        ) { field in field.asDouble.flatMap { range.contains($0) ? $0 : nil } }
    }

    mutating func text(
        _ name: String, characters: ClosedRange<Int>, required: Bool = false, nullable: Bool = false
    ) -> String? {
        value(
            name, required: required, nullable: nullable,
            wanted: "a string of \(characters.lowerBound) to \(characters.upperBound) characters"
        ) {
            guard case .string(let text) = $0, characters.contains(text.unicodeScalars.count) else { return nil }
            return text
        }
    }

    mutating func choice<Choice: RawRepresentable & CaseIterable>(
        _ name: String, _: Choice.Type, required: Bool = false, nullable: Bool = false
    ) -> Choice? where Choice.RawValue == String {
        let names = Choice.allCases.map(\.rawValue).joined(separator: ", ")
        return value(name, required: required, nullable: nullable, wanted: "one of \(names)") {
            guard case .string(let text) = $0 else { return nil }
            return Choice(rawValue: text)
        }
    }

    /// Lower-case letters, digits and hyphens, 1 to 64 of them: names of accounts and gateways.
    mutating func identifier(_ name: String, required: Bool) -> String? {
        value(name, required: required, wanted: "1 to 64 lower-case letters, digits and hyphens") {
            guard case .string(let text) = $0, Self.isIdentifier(text) else { return nil }
            return text
        }
    }

    static func isIdentifier(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
            }
    }
}
