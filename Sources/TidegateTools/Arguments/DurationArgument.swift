internal import ArgumentParser

/// A time span on a command line: `50ms`, `1.5s`, `2m`, or a bare number of seconds.
package struct DurationArgument: ExpressibleByArgument, Equatable, Sendable {
    /// Never negative.
    package var milliseconds: Double

    package init(milliseconds: Double) { self.milliseconds = milliseconds }

    package init?(argument: String) {
        let units: [(suffix: String, milliseconds: Double)] = [("ms", 1), ("us", 0.001), ("s", 1_000), ("m", 60_000)]
        let unit = units.first { argument.hasSuffix($0.suffix) }
        let digits = argument.dropLast(unit?.suffix.count ?? 0)
        guard let number = Double(digits), number.isFinite, number >= 0 else { return nil }
        milliseconds = number * (unit?.milliseconds ?? 1_000)
    }

    package var defaultValueDescription: String {
        milliseconds == milliseconds.rounded() ? "\(Int(milliseconds))ms" : "\(milliseconds)ms"
    }
}
