internal import TidegateCore

extension LogFilter.Value {
    /// The value where text is compared: numbers and booleans as JSON writes them.
    var text: String {
        switch self {
        case .string(let text): text
        case .number(let number): Int64(exactly: number).map { "\($0)" } ?? "\(number)"
        case .bool(let bool): bool ? "true" : "false"
        case .null: ""
        }
    }

    /// The value where numbers are compared; `nil` when it is none.
    var number: Double? {
        switch self {
        case .string(let text): Double(text).flatMap { $0.isFinite ? $0 : nil }
        case .number(let number): number.isFinite ? number : nil
        case .bool, .null: nil
        }
    }

    /// For messages: short, and never more than the user sent.
    var shown: String { self == .null ? "null" : String(text.prefix(64)) }
}

extension LogFilter {
    func invalid(_ problem: String) -> TidegateError {
        TidegateError(.invalidRequest, "The filter \(key.rawValue) (\(self.operator.rawValue)) \(problem).")
    }
}
