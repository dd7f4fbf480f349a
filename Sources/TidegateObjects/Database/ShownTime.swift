/// The time that people see: the edge's, as far as its clock can be believed (A17).
enum ShownTime {
    static let aheadMsMax: Int64 = 2_000
    /// The oldest row an outbox may deliver.
    static let ageMsMax: Int64 = 72 * 3_600_000

    static func clamp(startedAtMs: Int64, receivedAtMs: Int64) -> Int64 {
        min(max(startedAtMs, receivedAtMs.adding(-ageMsMax)), receivedAtMs.adding(aheadMsMax))
    }
}

extension Int64 {
    /// The sum, or the end of the range that it would pass: numbers in rows are whatever an edge sent.
    func adding(_ other: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }
}
