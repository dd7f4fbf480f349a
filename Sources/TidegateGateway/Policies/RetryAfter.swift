/// Reads `Retry-After` (RFC 9110 §10.2.3): whole seconds, or a date in the preferred form.
package enum RetryAfter {
    /// - Returns: milliseconds from now, 0 for a date that has passed, at most a day; `nil` for what is neither form.
    package static func milliseconds(_ text: String, nowMs: Int64) -> Int? {
        let value = OptionValue.trimmed(text)
        if let seconds = OptionValue.whole(String(value)) { return min(seconds, OptionValue.wholeMax / 1_000) * 1_000 }
        guard let date = date(value) else { return nil }
        return Int(min(max(date - nowMs, 0), Int64(OptionValue.wholeMax)))
    }

    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// `Sun, 06 Nov 1994 08:49:37 GMT` as milliseconds since 1970.
    private static func date(_ text: Substring) -> Int64? {
        let parts = text.split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 6, parts[0].hasSuffix(","), parts[5] == "GMT",
            let day = number(parts[1], 1...31), let month = months.firstIndex(of: String(parts[2])),
            let year = number(parts[3], 1970...9999)
        else { return nil }
        let clock = parts[4].split(separator: ":", omittingEmptySubsequences: false)
        guard clock.count == 3, let hour = number(clock[0], 0...23), let minute = number(clock[1], 0...59),
            let second = number(clock[2], 0...60)
        else { return nil }
        // Days by the proleptic Gregorian calendar, with years that begin in March so that leap days come last.
        let marchYear = month < 2 ? year - 1 : year
        let marchMonth = (month + 10) % 12
        let dayOfYear = (153 * marchMonth + 2) / 5 + day - 1
        let days = marchYear * 365 + marchYear / 4 - marchYear / 100 + marchYear / 400 + dayOfYear - 719_468
        return Int64(((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000
    }

    private static func number(_ text: Substring, _ range: ClosedRange<Int>) -> Int? {
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let value = Int(text), range.contains(value) else {
            return nil
        }
        return value
    }
}
