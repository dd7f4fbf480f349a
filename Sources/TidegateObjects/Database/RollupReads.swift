internal import GRDB
internal import TidegateCore

/// Sums from the rollups: a month of hours is some ten thousand lines, whatever the number of rows.
enum RollupReads {
    static func rows(_ query: AnalyticsQuery, _ db: Database) throws -> [AnalyticsRow] {
        let (table, stepMs): (String, Int64) =
            query.step == .minute ? ("rollup", 60_000) : ("rollup_hour", 3_600_000)
        let time = query.step == .none ? [] : ["\(table).start"]
        let groups = time + query.groups.map(\.rawValue)
        let grouping =
            groups.isEmpty
            ? "" : "GROUP BY \(groups.joined(separator: ", ")) ORDER BY \(groups.joined(separator: ", "))"
        var rows: [AnalyticsRow] = []
        try db.run(
            """
            SELECT total(requests), total(errors), total(CASE WHEN cached <> 0 THEN requests ELSE 0 END),
                total(inputUncached + inputCacheRead + inputCacheWrite), total(outputText + outputReasoning), total(cost),
                total(durationSumMs), ifnull(max(durationMaxMs), 0), total(latencySumMs)
                \(groups.map { ", " + $0 }.joined())
            FROM \(table) WHERE start >= ? AND start < ? \(grouping) LIMIT \(AnalyticsAnswer.rowsMax + 1)
            """,
            [.integer(floor(query.fromMs, stepMs)), .integer(floor(query.toMs.adding(stepMs - 1), stepMs))]
        ) { row in
            var sums = AnalyticsRow()
            func number(_ column: Int32) -> Int64 { Int64(clamping: row.optionalReal(column) ?? 0) }
            (sums.requests, sums.errors, sums.cached) = (number(0), number(1), number(2))
            (sums.tokensIn, sums.tokensOut, sums.cost) = (number(3), number(4), PicoUSD(rawValue: number(5)))
            (sums.durationSumMs, sums.durationMaxMs, sums.latencySumMs) = (number(6), number(7), number(8))
            var column: Int32 = 9
            if query.step != .none {
                sums.startMs = row.integer(column) * stepMs
                column += 1
            }
            for group in query.groups {
                switch group {
                case .provider: sums.provider = row.text(column)
                case .model: sums.model = row.text(column)
                }
                column += 1
            }
            rows.append(sums)
        }
        guard rows.count <= AnalyticsAnswer.rowsMax else {
            throw TidegateError(
                .invalidRequest,
                "The answer has more than \(AnalyticsAnswer.rowsMax) rows. Ask for a shorter time, a longer step or fewer groups."
            )
        }
        return rows
    }

    private static func floor(_ milliseconds: Int64, _ step: Int64) -> Int64 {
        milliseconds / step - (milliseconds % step < 0 ? 1 : 0)
    }
}

extension Int64 {
    /// The nearest whole number, or the end of the range.
    fileprivate init(clamping value: Double) {
        let limit = 0x1p63
        self = value.isNaN ? 0 : value >= limit ? .max : value <= -limit ? .min : Int64(value)
    }
}
