internal import GRDB
internal import Synchronization
internal import TidegateCore

/// One line of the table `segment`. A class, because lists of them are shared by many questions.
final class SegmentView: Sendable {
    let (first, last): (Int64, Int64)
    let (rows, live, tombstones): (Int64, Int64, Int64)
    let (edited, version): (Int64, Int64)
    let (key, packKey): (String, String)
    let crc: UInt32
    let (storedBytes, fileBytes, packBytes): (Int64, Int64, Int64)
    let zone: ZoneMap

    init(_ row: SQLColumns, zone: ZoneMap) {
        (first, last) = (row.integer(0), row.integer(1))
        (rows, live, tombstones) = (row.integer(2), row.integer(3), row.integer(4))
        (edited, version) = (row.integer(5), row.integer(6))
        (key, packKey) = (row.text(7), row.text(8))
        crc = UInt32(truncatingIfNeeded: row.integer(9))
        (storedBytes, fileBytes, packBytes) = (row.integer(10), row.integer(11), row.integer(12))
        self.zone = zone
    }

    var hasChanges: Bool { tombstones > 0 || edited > 0 }
}

/// A gateway's segments in one state of its database, oldest first.
final class SegmentList: Sendable {
    let version: Int64
    let segments: [SegmentView]

    private init(version: Int64, segments: [SegmentView]) { (self.version, self.segments) = (version, segments) }

    /// - Parameter known: an earlier state: statistics that are still true are not read again.
    static func read(_ db: Database, _ meta: DatabaseMeta, known: SegmentList?) throws -> SegmentList {
        if let known, known.version == meta.segmentVersion { return known }
        let zones = Dictionary(
            (known?.segments ?? []).map { ($0.key, $0.zone) }, uniquingKeysWith: { first, _ in first })
        var segments: [SegmentView] = []
        try db.run(
            """
            SELECT first, last, rows, live, tombstones, edited, version, key, packKey, crc, storedBytes, fileBytes,
                packBytes FROM segment ORDER BY first
            """
        ) { row in
            let key = row.text(7)
            if let zone = zones[key] { return segments.append(SegmentView(row, zone: zone)) }
            var bytes: [UInt8] = []
            try db.run("SELECT zone FROM segment WHERE key = ?", [.text(key)]) { bytes = $0.blob(0) }
            segments.append(SegmentView(row, zone: try ZoneMap(encoded: bytes)))
        }
        return SegmentList(version: meta.segmentVersion, segments: segments)
    }
}

/// A segment has been replaced or dropped since its list was read: whoever sees this asks again.
struct SegmentGone: Error {}

/// What happened to a segment's rows since it was made.
struct SegmentDelta {
    var version: Int64
    var tombstones: [Int64] = []
    var overlays: [[SQLValue]] = []

    /// - Throws: `SegmentGone`.
    static func read(_ segment: SegmentView, _ db: Database) throws -> SegmentDelta {
        var version: Int64?
        var hasChanges = false
        try db.run("SELECT version, tombstones + edited FROM segment WHERE key = ?", [.text(segment.key)]) { row in
            version = row.integer(0)
            hasChanges = row.integer(1) > 0
        }
        guard let version else { throw SegmentGone() }
        guard hasChanges else { return SegmentDelta(version: 0) }
        var delta = SegmentDelta(version: version)
        let range = [SQLValue.integer(segment.first), .integer(segment.last)]
        try db.run("SELECT lsn FROM tombstone WHERE lsn BETWEEN ? AND ?", range) {
            delta.tombstones.append($0.integer(0))
        }
        try db.run("SELECT * FROM overlay WHERE lsn BETWEEN ? AND ?", range) { row in
            delta.overlays.append((0..<7).map { row.value($0) })
        }
        return delta
    }
}

/// A connection to a segment's file, with temporary tables that say what happened to its rows since. One user at a time.
final class SegmentReader: Sendable {
    private struct Laid {
        var version: Int64 = 0
        var hasTombstones = false
    }
    private let queue: DatabaseQueue
    private let laid = Mutex(Laid())

    init(_ queue: DatabaseQueue) { self.queue = queue }

    func close() { try? queue.close() }

    /// - Parameter body: gets whether rows in `temp.tombstone` must be left out.
    func read<Value>(_ delta: SegmentDelta, by deadline: QueryDeadline, _ body: (Database, Bool) throws -> Value) throws
        -> Value
    {
        try queue.inDatabase { db in
            try deadline.enforce(on: db) {
                if laid.withLock({ $0.version }) != delta.version { try lay(delta, db) }
                return try body(db, laid.withLock { $0.hasTombstones })
            }
        }
    }

    /// The table `temp.overlay` hides the segment's own, so that the same questions find the newest words in both.
    private func lay(_ delta: SegmentDelta, _ db: Database) throws {
        laid.withLock { $0 = Laid(version: -1) }  // half-way, if what follows fails
        try db.execute(sql: "DROP TABLE IF EXISTS temp.overlay")
        try db.execute(sql: "DROP TABLE IF EXISTS temp.tombstone")
        if !delta.tombstones.isEmpty {
            try db.execute(sql: "CREATE TABLE temp.tombstone(lsn INTEGER PRIMARY KEY)")
            for lsn in delta.tombstones { try db.run("INSERT INTO temp.tombstone VALUES(?)", [.integer(lsn)]) }
        }
        if !delta.overlays.isEmpty {
            try db.execute(sql: DatabaseSchema.overlay(in: "temp."))
            try db.execute(sql: "INSERT INTO temp.overlay SELECT * FROM main.overlay")
            for values in delta.overlays { try OverlayColumns.put(values, in: "temp", db) }
        }
        laid.withLock { $0 = Laid(version: delta.version, hasTombstones: !delta.tombstones.isEmpty) }
    }
}
