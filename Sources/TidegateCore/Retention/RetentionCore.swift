/// Which rows are past their age, at one moment. Times are those at which owners received rows (A17), in milliseconds since
/// 1970.
package struct AgeLimit: Equatable, Sendable {
    /// Older rows go.
    package var beforeMs: Int64
    /// A sealed row that goes alone makes its segment be rewritten: that waits until one is older than this.
    package var sealedBeforeMs: Int64
    /// A row that says it came later than this was received under a wrong clock: it is as old as a row behind it.
    package var possibleMs: Int64
    /// Rows that go one by one at a time.
    package var rowsMax: Int

    package init(beforeMs: Int64, sealedBeforeMs: Int64, possibleMs: Int64, rowsMax: Int) {
        (self.beforeMs, self.sealedBeforeMs) = (beforeMs, sealedBeforeMs)
        (self.possibleMs, self.rowsMax) = (possibleMs, rowsMax)
    }
}

package struct RetentionSettings: Equatable, Sendable {
    /// Pause between two sweeps over a slot's gateways.
    package var interval: Duration = .seconds(900)
    /// By so much the time of day may run away from the machine's own clock between two sweeps.
    package var clockErrorMax: Duration = .seconds(300)
    /// How long past its age a sealed row may stay for its neighbours to come along.
    package var sealedSlack: Duration = .seconds(12 * 3_600)
    package var rowsMax = 10_000
    package init() {}
}

/// Decides whether the time of day may be believed, and what it means for a gateway. A row must never go early: after a jump
/// of the clock one sweep is left out, and so is an owner's first. Whether rows go is said in the log by effect, never by time.
package struct RetentionCore: Sendable {
    package static let dayMs: Int64 = 86_400_000

    private let settings: RetentionSettings
    private var last: (wallMs: Int64, now: Duration)?

    package init(settings: RetentionSettings = RetentionSettings()) { self.settings = settings }

    /// - Returns: `false` when nothing may go this time.
    package mutating func begin(wallMs: Int64, at now: Duration) -> Bool {
        defer { last = (wallMs, now) }
        guard let last else { return false }
        let (passed, overflow) = wallMs.subtractingReportingOverflow(last.wallMs)
        guard !overflow else { return false }
        let error = Duration.milliseconds(passed) - (now - last.now)
        return error <= settings.clockErrorMax && error >= .zero - settings.clockErrorMax
    }

    /// - Parameter days: from 1.
    /// - Returns: `nil` when no row can be so old.
    package func limit(days: Int, wallMs: Int64) -> AgeLimit? {
        let (age, overflow) = Int64(clamping: days).multipliedReportingOverflow(by: Self.dayMs)
        guard days >= 1, !overflow, wallMs > age else { return nil }
        let before = wallMs - age
        return AgeLimit(
            beforeMs: before, sealedBeforeMs: before - settings.sealedSlack.wholeMilliseconds,
            possibleMs: wallMs.addingReportingOverflow(settings.clockErrorMax.wholeMilliseconds).partialValue,
            rowsMax: settings.rowsMax)
    }
}

extension Duration {
    fileprivate var wholeMilliseconds: Int64 { Int64(self / .milliseconds(1)) }
}
