/// Reads times as people write them in filters.
enum InstantText {
    /// `2026-11-24`, `2026-11-24T10:00:00Z`, with fractions, with `+01:00`; without an offset it is UTC. Or milliseconds
    /// since 1970 as digits.
    /// - Returns: milliseconds since 1970; digits behind the third of a fraction are dropped.
    static func milliseconds(_ text: String) -> Int64? {
        if let number = Int64(text) { return number }
        var rest = Array(text.utf8)[...]
        guard let year = digits(4, &rest), take(UInt8(ascii: "-"), &rest), let month = digits(2, &rest),
            take(UInt8(ascii: "-"), &rest), let day = digits(2, &rest), (1...12).contains(month),
            (1...daysIn(month, of: year)).contains(day)
        else { return nil }
        let date = daysSince1970(year: year, month: month, day: day) * 86_400_000
        if rest.isEmpty { return date }
        guard take(UInt8(ascii: "T"), &rest) || take(UInt8(ascii: "t"), &rest) || take(UInt8(ascii: " "), &rest),
            let hour = digits(2, &rest), take(UInt8(ascii: ":"), &rest), let minute = digits(2, &rest),
            hour < 24, minute < 60
        else { return nil }
        var time = (hour * 60 + minute) * 60_000
        if take(UInt8(ascii: ":"), &rest) {
            guard let second = digits(2, &rest), second <= 60 else { return nil }
            time += second * 1_000
            if take(UInt8(ascii: "."), &rest) {
                guard let fraction = fraction(&rest) else { return nil }
                time += fraction
            }
        }
        guard let offset = offset(&rest), rest.isEmpty else { return nil }
        return date + time - offset
    }

    private static func take(_ byte: UInt8, _ rest: inout ArraySlice<UInt8>) -> Bool {
        guard rest.first == byte else { return false }
        rest.removeFirst()
        return true
    }

    private static func digits(_ count: Int, _ rest: inout ArraySlice<UInt8>) -> Int64? {
        guard rest.count >= count else { return nil }
        var value: Int64 = 0
        for byte in rest.prefix(count) {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            value = value * 10 + Int64(byte - UInt8(ascii: "0"))
        }
        rest.removeFirst(count)
        return value
    }

    private static func fraction(_ rest: inout ArraySlice<UInt8>) -> Int64? {
        var value: Int64 = 0
        var weight: Int64 = 100
        var count = 0
        while let digit = digits(1, &rest) {
            value += digit * weight
            weight /= 10
            count += 1
        }
        return count > 0 ? value : nil
    }

    private static func offset(_ rest: inout ArraySlice<UInt8>) -> Int64? {
        if rest.isEmpty || take(UInt8(ascii: "Z"), &rest) || take(UInt8(ascii: "z"), &rest) { return 0 }
        let isNegative = rest.first == UInt8(ascii: "-")
        guard isNegative || rest.first == UInt8(ascii: "+") else { return nil }
        rest.removeFirst()
        guard let hour = digits(2, &rest), hour < 24 else { return nil }
        _ = take(UInt8(ascii: ":"), &rest)
        guard let minute = digits(2, &rest), minute < 60 else { return nil }
        return (hour * 60 + minute) * (isNegative ? -60_000 : 60_000)
    }

    private static func isLeap(_ year: Int64) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

    private static func daysIn(_ month: Int64, of year: Int64) -> Int64 {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    private static func daysSince1970(year: Int64, month: Int64, day: Int64) -> Int64 {
        var days = (year - 1970) * 365 + leapDays(before: year) - leapDays(before: 1970) + day - 1
        for past in 1..<month { days += daysIn(past, of: year) }
        return days
    }

    private static func leapDays(before year: Int64) -> Int64 {
        let past = max(year - 1, 0)
        return past / 4 - past / 100 + past / 400
    }
}
