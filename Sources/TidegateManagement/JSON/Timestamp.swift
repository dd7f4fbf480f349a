/// Times in answers and questions: ISO 8601 in UTC, milliseconds since 1970 inside.
enum Timestamp {
    /// `2026-10-01T09:00:00Z`, with `.123` before the `Z` unless the milliseconds are zero.
    static func text(_ milliseconds: Int64) -> String {
        let (seconds, fraction) = floorDivide(milliseconds, 1_000)
        let (days, secondOfDay) = floorDivide(seconds, 86_400)
        let (year, month, day) = civil(days: days)
        let clock = "\(two(secondOfDay / 3_600)):\(two(secondOfDay / 60 % 60)):\(two(secondOfDay % 60))"
        let tail = fraction == 0 ? "" : ".\(padded(fraction, 3))"
        return "\(padded(year, 4))-\(two(month))-\(two(day))T\(clock)\(tail)Z"
    }

    /// Reads `2026-10-01`, `2026-10-01T09:00`, with seconds, a fraction, `Z` or an offset; without one it is UTC.
    ///
    /// A blank stands for a `+` too, because that is what an offset becomes in a query string that forgot to encode it.
    static func milliseconds(_ text: String) -> Int64? {
        var rest = Array(text.utf8)[...]
        guard let year = digits(4, &rest), skip("-", &rest), let month = digits(2, &rest), skip("-", &rest),
            let day = digits(2, &rest), (1...12).contains(month), day >= 1, day <= length(month, year)
        else { return nil }
        let midnight = daysSince1970(year, month, day) * 86_400_000
        if rest.isEmpty { return midnight }
        guard skip("T", &rest) || skip("t", &rest) || skip(" ", &rest), let hour = digits(2, &rest), hour < 24,
            skip(":", &rest), let minute = digits(2, &rest), minute < 60
        else { return nil }
        var time = (hour * 60 + minute) * 60_000
        if skip(":", &rest) {
            guard let second = digits(2, &rest), second < 60 else { return nil }
            time += second * 1_000
            if skip(".", &rest) {
                guard let fraction = Self.fraction(&rest) else { return nil }
                time += fraction
            }
        }
        guard let offset = Self.offset(&rest), rest.isEmpty else { return nil }
        return midnight + time - offset
    }

    private static func offset(_ rest: inout ArraySlice<UInt8>) -> Int64? {
        if rest.isEmpty || skip("Z", &rest) || skip("z", &rest) { return 0 }
        let sign: Int64
        if skip("+", &rest) || skip(" ", &rest) {
            sign = 1
        } else if skip("-", &rest) {
            sign = -1
        } else {
            return nil
        }
        guard let hours = digits(2, &rest), hours < 24 else { return nil }
        _ = skip(":", &rest)
        guard let minutes = digits(2, &rest), minutes < 60 else { return nil }
        return sign * (hours * 60 + minutes) * 60_000
    }

    /// Digits behind the point, of which the first three count.
    private static func fraction(_ rest: inout ArraySlice<UInt8>) -> Int64? {
        let all = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard !all.isEmpty, all.count <= 9 else { return nil }
        rest = rest.dropFirst(all.count)
        return (Array(all.prefix(3)) + [48, 48]).prefix(3).reduce(0) { $0 * 10 + Int64($1 - 48) }
    }

    private static func digits(_ count: Int, _ rest: inout ArraySlice<UInt8>) -> Int64? {
        let part = rest.prefix(count)
        guard part.count == count, part.allSatisfy({ (48...57).contains($0) }) else { return nil }
        rest = rest.dropFirst(count)
        return part.reduce(0) { $0 * 10 + Int64($1 - 48) }
    }

    private static func skip(_ character: Unicode.Scalar, _ rest: inout ArraySlice<UInt8>) -> Bool {
        guard rest.first == UInt8(ascii: character) else { return false }
        rest = rest.dropFirst()
        return true
    }

    private static func length(_ month: Int64, _ year: Int64) -> Int64 {
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        return month == 2 ? (isLeap ? 29 : 28) : [4, 6, 9, 11].contains(month) ? 30 : 31
    }

    /// Days from 1970-01-01 in the proleptic Gregorian calendar; years begin in March, so that the leap day is the last.
    private static func daysSince1970(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let (era, yearOfEra) = floorDivide(shifted, 400)
        let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func civil(days: Int64) -> (Int64, Int64, Int64) {
        let (era, dayOfEra) = floorDivide(days + 719_468, 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let march = (5 * dayOfYear + 2) / 153
        let month = march < 10 ? march + 3 : march - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * march + 2) / 5 + 1)
    }

    private static func floorDivide(_ value: Int64, _ divisor: Int64) -> (Int64, Int64) {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }
    private static func two(_ value: Int64) -> String { padded(value, 2) }
}
