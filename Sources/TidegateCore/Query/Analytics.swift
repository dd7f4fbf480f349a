/// Sums over traffic, from rollups. What passed through counts, also when its rows are gone.
package struct AnalyticsQuery: Equatable, Sendable {
    /// `minute` reaches back 72 hours from the newest row; hours are kept for good.
    package enum Step: String, Sendable, CaseIterable { case minute, hour, none }
    package enum Group: String, Sendable, CaseIterable { case provider, model }

    package var step = Step.hour
    /// In the order of the answer's fields.
    package var groups: [Group] = []
    /// Half-open, in milliseconds since 1970; widened to whole steps.
    package var fromMs: Int64
    package var toMs: Int64

    package init(fromMs: Int64, toMs: Int64) { (self.fromMs, self.toMs) = (fromMs, toMs) }
}

package struct AnalyticsRow: Equatable, Sendable {
    /// Where the step begins; `nil` for sums over the whole time.
    package var startMs: Int64?
    package var provider: String?
    package var model: String?
    package var requests: Int64 = 0
    package var errors: Int64 = 0
    package var cached: Int64 = 0
    package var tokensIn: Int64 = 0
    package var tokensOut: Int64 = 0
    package var cost: PicoUSD = .zero
    package var durationSumMs: Int64 = 0
    package var durationMaxMs: Int64 = 0
    /// Until the first byte.
    package var latencySumMs: Int64 = 0
    package init() {}
}

/// A class, as `SealingReport` is one: results of typed-throwing async requirements are kept to one word.
package final class AnalyticsAnswer: Sendable {
    package static let rowsMax = 10_000

    package let rows: [AnalyticsRow]
    package let position: LogPosition?
    package init(rows: [AnalyticsRow], position: LogPosition?) { (self.rows, self.position) = (rows, position) }
}
