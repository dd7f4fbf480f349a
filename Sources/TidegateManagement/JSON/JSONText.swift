/// A JSON text being built: objects keep the order of their fields, so that answers are the same bytes every time.
indirect enum JSONText: Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    /// Written as `null` unless it is finite.
    case number(Double)
    case string(String)
    case array([JSONText])
    case object([(String, JSONText)])
    /// Text that is JSON already.
    case raw(String)

    func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        write(to: &bytes)
        return bytes
    }

    private func write(to bytes: inout [UInt8]) {
        switch self {
        case .null: bytes.append(contentsOf: "null".utf8)
        case .bool(let value): bytes.append(contentsOf: (value ? "true" : "false").utf8)
        case .integer(let value): bytes.append(contentsOf: String(value).utf8)
        case .number(let value): bytes.append(contentsOf: Self.text(of: value).utf8)
        case .string(let value): Self.write(value, to: &bytes)
        case .raw(let text): bytes.append(contentsOf: text.utf8)
        case .array(let items):
            bytes.append(UInt8(ascii: "["))
            for (index, item) in items.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                item.write(to: &bytes)
            }
            bytes.append(UInt8(ascii: "]"))
        case .object(let fields):
            bytes.append(UInt8(ascii: "{"))
            for (index, field) in fields.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                Self.write(field.0, to: &bytes)
                bytes.append(UInt8(ascii: ":"))
                field.1.write(to: &bytes)
            }
            bytes.append(UInt8(ascii: "}"))
        }
    }

    /// Whole numbers come without a fraction: `1`, not `1.0`.
    private static func text(of value: Double) -> String {
        guard value.isFinite else { return "null" }
        if value.magnitude < 9e15, let whole = Int64(exactly: value) { return String(whole) }
        return "\(value)"
    }

    private static func write(_ text: String, to bytes: inout [UInt8]) {
        let hex = Array("0123456789abcdef".utf8)
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes.append(contentsOf: [UInt8(ascii: "\\"), byte])
            case 0x0A: bytes.append(contentsOf: "\\n".utf8)
            case 0x0D: bytes.append(contentsOf: "\\r".utf8)
            case 0x09: bytes.append(contentsOf: "\\t".utf8)
            case 0..<0x20: bytes.append(contentsOf: "\\u00".utf8 + [hex[Int(byte >> 4)], hex[Int(byte & 15)]])
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}

extension JSONText {
    static func optional(_ value: String?) -> JSONText { value.map(JSONText.string) ?? .null }
    static func optional(_ value: Int?) -> JSONText { value.map { .integer(Int64($0)) } ?? .null }
    static func optional(_ value: Int64?) -> JSONText { value.map(JSONText.integer) ?? .null }
    static func optional(_ value: Double?) -> JSONText { value.map(JSONText.number) ?? .null }
    static func strings(_ values: some Sequence<String>) -> JSONText { .array(values.map(JSONText.string)) }
}
