internal import GRDB
internal import TidegateCore

/// A question to the log as SQL, checked and ready to run on any connection.
struct LogScan: Sendable {
    static let perPageMax = 1_000

    /// A page with the place where it ended.
    struct Answer: Sendable {
        var page: LogPage
        var end: PageBoundary?
    }

    private let query: LogQuery
    private let filter: FilterSQL
    /// The page starts behind this row; else at the query's page number.
    private let start: PageBoundary?

    /// - Parameter remembered: where the page before ended, if known.
    init(_ query: LogQuery, remembered: PageBoundary?) throws(TidegateError) {
        guard query.page >= 1, (1...Self.perPageMax).contains(query.perPage) else {
            throw TidegateError(
                .invalidRequest, "page is at least 1 and per_page between 1 and \(Self.perPageMax).")
        }
        self.query = query
        filter = try FilterSQL(query)
        if let cursor = query.cursor {
            start = try PageCursor.boundary(cursor, of: query)
        } else {
            start = remembered
        }
    }

    func page(_ db: Database, gateway: GatewayUID, slot: SlotID) throws -> Answer {
        guard let meta = try DatabaseMeta.read(db) else {
            throw TidegateError(.corrupt, "The gateway's database has lost what it says about itself.")
        }
        var rows: [LogRow] = []
        var keys: [SQLValue] = []
        if let skipped {
            let select = "SELECT \(RowColumns.selection), \(query.order.expression)"
            let (text, values) = ordered(select, limit: Int64(query.perPage) + 1, skipped: skipped)
            try db.runOnce(text, values) { row in
                rows.append(RowColumns.read(row, gateway: gateway))
                keys.append(row.value(RowColumns.selectionEnd))
            }
        }
        var answer = Answer(page: LogPage(rows: Array(rows.prefix(query.perPage)), totalCount: meta.live))
        if rows.count > query.perPage, let last = answer.page.rows.last {
            let end = PageBoundary(key: keys[query.perPage - 1], lsn: last.lsn.stored)
            answer.end = end
            answer.page.nextCursor = PageCursor.text(end, of: query)
        }
        try addTotals(to: &answer.page, db)
        answer.page.position = LogPosition(slot: slot, epoch: meta.epoch, n: meta.appliedN)
        return answer
    }

    /// LSNs of the first rows, in the query's order.
    func places(_ db: Database, limit: Int) throws -> [UInt64] {
        var places: [UInt64] = []
        let (text, values) = ordered("SELECT log.lsn", limit: Int64(max(0, limit)), skipped: 0)
        try db.runOnce(text, values) { places.append(UInt64(bitPattern: $0.integer(0))) }
        return places
    }

    /// Rows before the page when its start is only known by number; `nil` when no log can be that long.
    private var skipped: Int64? {
        if start != nil { return 0 }
        let (rows, overflow) = (query.page - 1).multipliedReportingOverflow(by: query.perPage)
        return overflow ? nil : Int64(rows)
    }

    private func ordered(_ select: String, limit: Int64, skipped: Int64) -> (String, [SQLValue]) {
        var filter = filter
        let order = query.order.expression
        let direction = query.isDescending ? "DESC" : "ASC"
        if let start {
            filter.add(
                "(\(order), log.lsn) \(query.isDescending ? "<" : ">") (?, ?)", [start.key, .integer(start.lsn)])
        }
        let text = """
            \(select) FROM \(RowColumns.tables)\(filter.clause)
            ORDER BY \(order) \(direction), log.lsn \(direction) LIMIT ? OFFSET ?
            """
        return (text, filter.values + [.integer(limit), .integer(skipped)])
    }

    private func addTotals(to page: inout LogPage, _ db: Database) throws {
        let isCountKnown = filter.conditions.isEmpty
        guard !isCountKnown || query.wantsMetaInfo else { return }
        var select = "SELECT count(*)"
        let measures: [(name: String, expression: String, scale: Double)] = [
            ("cost", "log.cost", 1e12), ("duration", "log.durationMs", 1), ("tokens_in", FilterField.input, 1),
            ("tokens_out", FilterField.output, 1), ("total_tokens", FilterField.total, 1),
        ]
        if query.wantsMetaInfo {
            for measure in measures { select += ", min(\(measure.expression)), max(\(measure.expression))" }
        }
        try db.runOnce("\(select) FROM \(RowColumns.tables)\(filter.clause)", filter.values) { row in
            if !isCountKnown { page.totalCount = row.integer(0) }
            guard query.wantsMetaInfo else { return }
            var ranges: [String: LogPage.Range] = [:]
            for (index, measure) in measures.enumerated() {
                let column = Int32(index * 2 + 1)
                guard let min = row.optionalReal(column), let max = row.optionalReal(column + 1) else { continue }
                ranges[measure.name] = LogPage.Range(min: min / measure.scale, max: max / measure.scale)
            }
            page.ranges = ranges
        }
    }
}
