internal import GRDB
internal import TidegateCore

/// A question's answer from the hot database, with the segments of the same state.
final class HotPart: Sendable {
    let meta: DatabaseMeta
    let list: SegmentList
    let rows: [FoundRow]
    let places: [PageBoundary]
    let totals: ScanTotals
    /// Rows whose bodies could not be searched in time.
    let unsearched: Int64

    init(
        meta: DatabaseMeta, list: SegmentList, rows: [FoundRow] = [], places: [PageBoundary] = [],
        totals: ScanTotals = ScanTotals(), unsearched: Int64 = 0
    ) {
        self.unsearched = unsearched
        (self.meta, self.list, self.rows, self.places, self.totals) = (meta, list, rows, places, totals)
    }
}

/// A read-only connection for questions that may take long: applies go on meanwhile, in WAL mode neither waits for the
/// other. Opens on first use.
actor LogScanner {
    private let file: DatabaseFile
    private let strand: DatabaseStrand
    private let segments: Segments
    private var queue: DatabaseQueue?
    private var known: SegmentList?

    nonisolated var unownedExecutor: UnownedSerialExecutor { strand.asUnownedSerialExecutor() }

    init(file: DatabaseFile, strand: DatabaseStrand, segments: Segments) {
        self.file = file
        self.strand = strand
        self.segments = segments
    }

    nonisolated var gateway: GatewayUID { file.identity.gateway }
    nonisolated var slot: SlotID { file.identity.slot }

    /// Rows and totals come from one state of the database.
    /// - Parameter places: asks for so many places instead of rows, and for no totals.
    func hot(_ scan: LogScan, rows: Int = 0, places: Int = 0, by deadline: QueryDeadline) throws -> HotPart {
        try snapshot(by: deadline) { db, meta, list in
            let matching = try scan.words.map { try HotBodySearch($0, db, by: deadline) }
            let source = ScanSource.hot(matching: matching)
            if places > 0 {
                return HotPart(meta: meta, list: list, places: try scan.places(db, limit: places, in: source))
            }
            return HotPart(
                meta: meta, list: list,
                rows: rows > 0 ? try scan.rows(db, limit: rows, gateway: gateway, in: source) : [],
                totals: scan.needsTotals ? try scan.totals(db, in: source) : ScanTotals(),
                unsearched: matching?.unsearched ?? 0)
        }
    }

    /// Where row number `skipped` lies, when there are no segments.
    func hotPlace(_ scan: LogScan, skipped: Int, by deadline: QueryDeadline) throws -> HotPart {
        try snapshot(by: deadline) { db, meta, list in
            guard list.segments.isEmpty else { return HotPart(meta: meta, list: list) }
            let matching = try scan.words.map { try HotBodySearch($0, db, by: deadline) }
            let places = try scan.places(db, limit: 1, skipped: max(0, skipped - 1), in: .hot(matching: matching))
            return HotPart(meta: meta, list: list, places: places)
        }
    }

    func sums(_ query: AnalyticsQuery, by deadline: QueryDeadline) throws -> [AnalyticsRow] {
        try snapshot(by: deadline) { db, _, _ in try RollupReads.rows(query, db) }
    }

    /// One state of the database.
    func reading<Value>(by deadline: QueryDeadline, _ body: (Database) throws -> Value) throws -> Value {
        try snapshot(by: deadline) { db, _, _ in try body(db) }
    }

    func list(by deadline: QueryDeadline) throws -> SegmentList { try snapshot(by: deadline) { $2 } }

    /// With the segments of the same state: a seal in between would hide rows from both.
    func agedHotRows(_ limit: AgeLimit, by deadline: QueryDeadline) throws -> AgedHotRows {
        try snapshot(by: deadline) { db, _, list in try AgedHotRows.read(limit, list, db) }
    }

    /// Runs `body` on a segment's file, with what happened to its rows since.
    /// - Throws: `SegmentGone` when it is no part of the log any more.
    func visit<Value: Sendable>(
        _ segment: SegmentView, _ lease: SegmentLease, by deadline: QueryDeadline,
        _ body: @Sendable (_ db: Database, _ hasTombstones: Bool) throws -> Value
    ) throws -> Value {
        // Read anew: newer words than the question's are no fault, a replaced segment would be.
        let delta = try snapshot(by: deadline) { db, _, _ in try SegmentDelta.read(segment, db) }
        let reader = try segments.cache.reader(lease)
        do {
            let value = try reader.read(delta, by: deadline, body)
            segments.cache.giveBack(reader, lease)
            return value
        } catch {
            reader.close()
            throw error
        }
    }

    func close() {
        try? queue?.close()
        queue = nil
    }

    private func snapshot<Value>(
        by deadline: QueryDeadline, _ body: (Database, DatabaseMeta, SegmentList) throws -> Value
    ) throws -> Value {
        let queue = try queue ?? file.connect(readOnly: true)
        self.queue = queue
        return try queue.inDatabase { db in
            var value: Value?
            try deadline.enforce(on: db) {
                try db.inTransaction(.deferred) {
                    guard let meta = try DatabaseMeta.read(db) else {
                        throw TidegateError(
                            .corrupt, "The gateway's database has lost what it says about itself.")
                    }
                    let list = try SegmentList.read(db, meta, known: known)
                    known = list
                    value = try body(db, meta, list)
                    return .commit
                }
            }
            guard let value else { throw TidegateError(.internalError, "A query ended without an answer.") }
            return value
        }
    }
}
