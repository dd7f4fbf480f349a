/// Which request paths may be joined to a provider's base.
package enum PathRules {
    /// False for what could leave the base or confuse the next server: control characters, spaces, backslashes, bytes beyond
    /// ASCII, `#`, broken `%` escapes, escaped control characters, and segments that are `.` or `..` once `%2e`, `%2f` and `%5c`
    /// are resolved. Escaped slashes as such are kept: names of models (AWS ARNs, `org%2Fmodel`) use them.
    /// - Parameter rest: path with or without query, as it stood in the request line.
    package static func isSafe(_ rest: some StringProtocol) -> Bool {
        let bytes = Array(rest.utf8)
        var segment: [UInt8] = []
        var isQuery = false
        var at = 0
        while at < bytes.count {
            var byte = bytes[at]
            guard byte > 0x20, byte < 0x7F, byte != UInt8(ascii: "#"), byte != UInt8(ascii: "\\") else { return false }
            var isEscaped = false
            if byte == UInt8(ascii: "%") {
                guard at + 2 < bytes.count, let high = JSONText.hexDigit(bytes[at + 1]),
                    let low = JSONText.hexDigit(bytes[at + 2])
                else { return isQuery ? isSafeQuery(bytes[at...]) : false }
                byte = high << 4 | low
                isEscaped = true
                at += 2
                if !isQuery, byte < 0x20 || byte == 0x7F { return false }
            }
            at += 1
            if isQuery { continue }
            if byte == UInt8(ascii: "?"), !isEscaped {
                if isDots(segment) { return false }
                isQuery = true
            } else if byte == UInt8(ascii: "/") || byte == UInt8(ascii: "\\") {
                if isDots(segment) { return false }
                segment.removeAll(keepingCapacity: true)
            } else if segment.count < 3 {
                segment.append(byte)
            }
        }
        return isQuery || !isDots(segment)
    }

    /// A query may hold a bare `%`: providers read it as they like.
    private static func isSafeQuery(_ rest: ArraySlice<UInt8>) -> Bool {
        rest.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") && $0 != UInt8(ascii: "\\") }
    }

    /// Dot segments, also with path parameters behind them (`..;x`), which some servers cut off.
    private static func isDots(_ segment: [UInt8]) -> Bool {
        let dots = segment.prefix { $0 == UInt8(ascii: ".") }.count
        return (dots == 1 || dots == 2) && (segment.count == dots || segment[dots] == UInt8(ascii: ";"))
    }

    /// A name that becomes part of a host: letters, digits and inner hyphens, at most 63 bytes.
    package static func isHostLabel(_ text: some StringProtocol) -> Bool {
        !text.isEmpty && text.utf8.count <= 63 && !text.hasPrefix("-") && !text.hasSuffix("-")
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"): true
                default: false
                }
            }
    }
}
