internal import TidegateCore

/// Readers of option values; `nil` for what is not one.
enum OptionValue {
    static func bool(_ text: String) -> Bool? {
        switch trimmed(text).lowercased() {
        case "true": true
        case "false": false
        default: nil
        }
    }

    /// A decimal number ≥ 0, kept within what the arithmetic behind it can take.
    static func whole(_ text: String) -> Int? {
        let digits = trimmed(text)
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return min(Int(digits) ?? .max, wholeMax)
    }

    static func positive(_ text: String) -> Int? { whole(text).flatMap { $0 > 0 ? $0 : nil } }

    static func backoff(_ text: String) -> GatewaySettings.Backoff? {
        GatewaySettings.Backoff(rawValue: trimmed(text).lowercased())
    }

    /// Text that may go back in a response header and into a row: printable ASCII, at most 256 bytes.
    static func identifier(_ text: String) -> String? {
        let value = trimmed(text)
        guard !value.isEmpty, value.utf8.count <= 256, value.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else {
            return nil
        }
        return String(value)
    }

    /// A day in milliseconds: no call waits longer for anything.
    static let wholeMax = 86_400_000

    static func trimmed(_ text: some StringProtocol) -> Substring {
        var rest = Substring(text)
        while let first = rest.first, first == " " || first == "\t" { rest.removeFirst() }
        while let last = rest.last, last == " " || last == "\t" { rest.removeLast() }
        return rest
    }
}
