internal import GRDB
internal import TidegateCore

/// A question to the log as SQL, checked and ready to run on the hot database and on any segment: both have the tables
/// that it names.
struct LogScan: Sendable {
    static let perPageMax = 1_000

    /// A page with the place where it ended.
    struct Answer: Sendable {
        var page: LogPage
        var end: PageBoundary?
    }

    let query: LogQuery
    private let filter: FilterSQL
    let words: BodyWords?
    /// The page starts behind this row; else at the query's page number.
    let start: PageBoundary?

    /// - Parameter remembered: where the page before ended, if known.
    init(_ query: LogQuery, remembered: PageBoundary?) throws(TidegateError) {
        guard query.page >= 1, (1...Self.perPageMax).contains(query.perPage) else {
            throw TidegateError(
                .invalidRequest, "page is at least 1 and per_page between 1 and \(Self.perPageMax).")
        }
        self.query = query
        filter = try FilterSQL(query)
        words = try query.bodySearch.map { text throws(TidegateError) in
            guard text.utf8.count <= FilterSQL.textBytesMax, let words = BodyWords(text) else {
                throw TidegateError(
                    .invalidRequest, "body_search needs letters or digits, in at most \(FilterSQL.textBytesMax) bytes.")
            }
            return words
        }
        if let cursor = query.cursor {
            start = try PageCursor.boundary(cursor, of: query)
        } else {
            start = remembered
        }
    }

    private init(_ scan: LogScan, start: PageBoundary) {
        (query, filter, words) = (scan.query, scan.filter, scan.words)
        self.start = start
    }

    /// The same question behind a row.
    func starting(behind boundary: PageBoundary) -> LogScan { LogScan(self, start: boundary) }

    var matchesEverything: Bool { filter.conditions.isEmpty && words == nil }
    var needsTotals: Bool { !matchesEverything || query.wantsMetaInfo }
    /// Groups what was counted for a question, whatever its order or page.
    var countKey: [UInt8] {
        var counted = query
        (counted.order, counted.isDescending) = (.createdAt, true)
        return counted.fingerprint + [query.wantsMetaInfo ? 1 : 0]
    }

    /// Rows before the page when its start is only known by number; `nil` when no log can be that long.
    var skipped: Int? {
        if start != nil { return 0 }
        let (rows, overflow) = (query.page - 1).multipliedReportingOverflow(by: query.perPage)
        return overflow ? nil : rows
    }

    /// Rows behind the start, in order.
    func rows(_ db: Database, limit: Int, gateway: GatewayUID, in source: ScanSource) throws -> [FoundRow] {
        var rows: [FoundRow] = []
        let (text, values) = ordered(
            "SELECT \(RowColumns.selection), \(query.order.expression)", limit: limit, skipped: 0, source)
        try db.runOnce(text, values) { row in
            let found = RowColumns.read(row, gateway: gateway)
            rows.append(
                FoundRow(
                    boundary: PageBoundary(key: row.value(RowColumns.selectionEnd), lsn: found.lsn.stored), row: found)
            )
        }
        return rows
    }

    /// Their places only.
    func places(_ db: Database, limit: Int, skipped: Int = 0, in source: ScanSource) throws -> [PageBoundary] {
        var places: [PageBoundary] = []
        let (text, values) = ordered(
            "SELECT log.lsn, \(query.order.expression)", limit: limit, skipped: skipped, source)
        try db.runOnce(text, values) { places.append(PageBoundary(key: $0.value(1), lsn: $0.integer(0))) }
        return places
    }

    private func ordered(_ select: String, limit: Int, skipped: Int, _ source: ScanSource) -> (String, [SQLValue]) {
        var filter = filter(in: source)
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
        return (text, filter.values + [.integer(Int64(max(0, limit))), .integer(Int64(max(0, skipped)))])
    }

    func totals(_ db: Database, in source: ScanSource) throws -> ScanTotals {
        let filter = filter(in: source)
        var select = "SELECT count(*)"
        if query.wantsMetaInfo {
            for measure in ScanTotals.measures { select += ", min(\(measure.expression)), max(\(measure.expression))" }
        }
        var totals = ScanTotals()
        try db.runOnce("\(select) FROM \(RowColumns.tables)\(filter.clause)", filter.values) { row in
            totals.count = row.integer(0)
            guard query.wantsMetaInfo else { return }
            for index in ScanTotals.measures.indices {
                let column = Int32(index * 2 + 1)
                guard let min = row.optionalReal(column), let max = row.optionalReal(column + 1) else { continue }
                totals.widen(index, min, max)
            }
        }
        return totals
    }

    private func filter(in source: ScanSource) -> FilterSQL {
        var filter = filter
        if let words {
            switch source {
            case .hot(let matching):
                let list = "[" + (matching?.found ?? []).map(String.init).joined(separator: ",") + "]"
                filter.add("log.lsn IN (SELECT value FROM json_each(?))", [.text(list)])
            case .segment: filter.add(BodyIndex.condition, [.text(words.expression)])
            }
        }
        if case .segment(hasTombstones: true) = source { filter.add(Self.isAlive, []) }
        return filter
    }

    private static let isAlive = "log.lsn NOT IN (SELECT lsn FROM temp.tombstone)"
}

/// What a scan reads, as far as its SQL depends on it.
enum ScanSource: Sendable {
    /// - matching: by the words of their bodies, if that is asked.
    case hot(matching: HotBodySearch?)
    /// One with an index of its bodies, if that is needed.
    case segment(hasTombstones: Bool)
}

struct FoundRow: Sendable {
    var boundary: PageBoundary
    var row: LogRow
}

/// What is summed up over all rows that match.
struct ScanTotals: Equatable, Sendable {
    static let measures: [(name: String, expression: String, scale: Double, zone: ZoneMap.Number)] = [
        ("cost", "log.cost", 1e12, .cost), ("duration", "log.durationMs", 1, .duration),
        ("tokens_in", FilterField.input, 1, .tokensIn), ("tokens_out", FilterField.output, 1, .tokensOut),
        ("total_tokens", FilterField.total, 1, .tokens),
    ]

    var count: Int64 = 0
    private var ranges: [Int: (min: Double, max: Double)] = [:]

    init(count: Int64 = 0) { self.count = count }

    /// Of all rows of a segment that has lost none.
    init(_ zone: ZoneMap) {
        count = zone.rows
        for (index, measure) in Self.measures.enumerated() {
            guard let bounds = zone.numbers[measure.zone], bounds.absent < zone.rows else { continue }
            widen(index, Double(bounds.min), Double(bounds.max))
        }
    }

    mutating func widen(_ measure: Int, _ min: Double, _ max: Double) {
        let known = ranges[measure] ?? (min, max)
        ranges[measure] = (Swift.min(known.min, min), Swift.max(known.max, max))
    }

    mutating func add(_ other: ScanTotals) {
        count += other.count
        for (measure, range) in other.ranges { widen(measure, range.min, range.max) }
    }

    var shownRanges: [String: LogPage.Range] {
        var shown: [String: LogPage.Range] = [:]
        for (index, range) in ranges {
            let measure = Self.measures[index]
            shown[measure.name] = LogPage.Range(min: range.min / measure.scale, max: range.max / measure.scale)
        }
        return shown
    }

    static func == (one: ScanTotals, other: ScanTotals) -> Bool {
        one.count == other.count && one.shownRanges == other.shownRanges
    }
}
