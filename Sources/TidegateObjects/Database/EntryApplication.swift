internal import GRDB
internal import TidegateCore

/// The application of one log object's entries to one database, within one transaction. Total: what an entry says can
/// fail to make sense, but then it is quarantined; only the disk makes this throw (A13). Nothing here reads a clock or
/// depends on how entries were batched, so that every replay gives the same content (I9).
struct EntryApplication {
    /// Edits that wait for their rows; beyond it the oldest goes (A18).
    static let orphansMax: Int64 = 10_000
    /// The oldest row an outbox may deliver, and an hour.
    static let orphanAgeMsMax: Int64 = 73 * 3_600_000

    let db: Database
    let gateway: GatewayUID
    let codec: BodyCodec
    var meta: DatabaseMeta
    private var marks: [StreamID: StreamMark] = [:]
    private var rollups = RollupBatch()
    private var bodies = HotBodyWriter()
    /// Rows of the segments that were asked for last.
    var knownRuns: [Int64: LSNRuns] = [:]

    init(db: Database, gateway: GatewayUID, codec: BodyCodec, meta: DatabaseMeta) {
        self.db = db
        self.gateway = gateway
        self.codec = codec
        self.meta = meta
    }

    mutating func apply(_ committed: CommittedEntry) throws {
        guard !meta.isDeleted else { return }
        if committed.isPoison { return try setAside(committed) }
        // What removes or reads bodies finds those of the rows before it.
        if case .record = committed.entry {} else { try bodies.flush(codec, db) }
        switch committed.entry {
        case .record(let stream, let sequence, let id, let receivedAtMs, let payload):
            advance(stream, to: StreamMark(sequence: sequence, id: id))
            try insert(id, lsn: committed.lsn, receivedAtMs: receivedAtMs, payload)
        case .skip(let stream, let sequence, let id, _):
            advance(stream, to: StreamMark(sequence: sequence, id: id))
        case .edit(let id, let patch, let atMs): try edit(id, patch, atMs: atMs, lsn: committed.lsn)
        case .delete(let lsns): try delete(lsns, at: committed.lsn)
        case .evict(let through): try evict(through: through, at: committed.lsn)
        case .gatewayDeleted: try deleteEverything()
        case .sealed(let segment): try seal(segment, at: committed.lsn)
        case .compacted(let replaced, let segments): try compact(replaced, into: segments, at: committed.lsn)
        case .editRow(let row, let patch): try edit(row: Int64(clamping: row), patch, at: committed.lsn)
        case .collected(let n): try db.run("DELETE FROM garbage WHERE n <= ?", [.integer(Int64(clamping: n))])
        }
    }

    /// Writes what was gathered over the entries.
    mutating func finish(n: LogIndex, epoch: Epoch) throws {
        for (stream, mark) in marks {
            try db.run(
                """
                INSERT INTO stream VALUES(?, ?, ?, ?, ?) ON CONFLICT(idHigh, idLow) DO UPDATE SET
                    wm = excluded.wm, markHigh = excluded.markHigh, markLow = excluded.markLow
                    WHERE excluded.wm > stream.wm
                """,
                [
                    .integer(stream.high), .integer(stream.low), .integer(Int64(clamping: mark.sequence)),
                    .integer(mark.id.high), .integer(mark.id.low),
                ])
        }
        try bodies.flush(codec, db)
        try rollups.write(db)
        (meta.appliedN, meta.epoch) = (n, epoch)
        try meta.write(db)
    }

    private mutating func advance(_ stream: StreamID, to mark: StreamMark) {
        if let known = marks[stream], known.sequence >= mark.sequence { return }
        marks[stream] = mark
    }

    private mutating func insert(_ id: RecordID, lsn: LSN, receivedAtMs: Int64, _ payload: ArraySlice<UInt8>) throws {
        let record: LogRecord
        do throws(TidegateError) {
            record = try LogRecord(encoded: payload)
        } catch {
            return try quarantine(payload, lsn: lsn, reason: error.message)
        }
        FaultPoint.appliesPoison.reached(by: record.eventID)
        guard record.id == id, record.gateway == gateway else {
            return try quarantine(payload, lsn: lsn, reason: "The row names another id or gateway than its entry.")
        }
        let shown = ShownTime.clamp(startedAtMs: record.startedAtMs, receivedAtMs: receivedAtMs)
        func put() throws -> Bool {
            try RowColumns.insert(record, lsn: lsn, createdAtMs: shown, receivedAtMs: receivedAtMs, into: db)
        }
        guard try put() || (try forgetSealed(id) && put()) else {
            return try quarantine(payload, lsn: lsn, reason: "A row with this id exists already.")
        }
        try bodies.append([record.requestBody, record.responseBody], lsn: lsn.stored, codec, db)
        rollups.add(record, createdAtMs: shown)
        meta.live += 1
        if meta.orphans > 0 { try adoptOrphan(id, lsn: lsn) }
    }

    /// Deletes a row with this id that a seal took: where it lies must not make a difference (I9).
    private func forgetSealed(_ id: RecordID) throws -> Bool {
        try db.run(
            "DELETE FROM hot WHERE idHigh = ? AND idLow = ? AND lsn <= ?",
            [.integer(id.high), .integer(id.low), .integer(meta.sealedThrough)])
        return db.changes > 0
    }

    private mutating func setAside(_ committed: CommittedEntry) throws {
        switch committed.entry {
        case .record(let stream, let sequence, let id, _, _), .skip(let stream, let sequence, let id, _):
            advance(stream, to: StreamMark(sequence: sequence, id: id))
        default: break
        }
        var writer = ByteWriter(capacity: 256)
        committed.entry.write(to: &writer)
        try quarantine(writer.finish()[...], lsn: committed.lsn, reason: "It ended the process that applied it.")
    }

    private func quarantine(_ payload: ArraySlice<UInt8>, lsn: LSN, reason: String) throws {
        var statement = try db.prepared("INSERT INTO quarantine(lsn, reason, content) VALUES(?, ?, ?)")
        statement.bind(lsn.stored)
        statement.bind(reason)
        payload.withUnsafeBytes { statement.bind(blob: $0) }
        try statement.run()
    }

    private mutating func edit(_ id: RecordID, _ patch: LogPatch, atMs: Int64, lsn: LSN) throws {
        guard patch != LogPatch() else { return }
        var row: Int64?
        try db.run("SELECT lsn FROM log WHERE idHigh = ? AND idLow = ?", [.integer(id.high), .integer(id.low)]) {
            row = $0.integer(0)
        }
        if let row {
            try OverlayColumns.put(patch, onRow: row, lsn: lsn, into: db)
            return
        }
        try OverlayColumns.put(patch, onUnknown: id, atMs: atMs, lsn: lsn, into: db)
        try db.run(
            "DELETE FROM orphan_overlay WHERE atMs < ?", [.integer(atMs.adding(-Self.orphanAgeMsMax))])
        try db.run(
            """
            DELETE FROM orphan_overlay WHERE (idHigh, idLow) IN (SELECT idHigh, idLow FROM orphan_overlay
                ORDER BY lsn LIMIT max(0, (SELECT count(*) FROM orphan_overlay) - ?))
            """, [.integer(Self.orphansMax)])
        try countOrphans()
    }

    private mutating func adoptOrphan(_ id: RecordID, lsn: LSN) throws {
        try db.run(
            """
            INSERT OR REPLACE INTO overlay SELECT ?, feedback, feedbackLSN, score, scoreLSN, metadata, metadataLSN
                FROM orphan_overlay WHERE idHigh = ? AND idLow = ?
            """, [.integer(lsn.stored), .integer(id.high), .integer(id.low)])
        try db.run(
            "DELETE FROM orphan_overlay WHERE idHigh = ? AND idLow = ?", [.integer(id.high), .integer(id.low)])
        meta.orphans -= db.changes
    }

    private mutating func countOrphans() throws {
        var count: Int64 = 0
        try db.run("SELECT count(*) FROM orphan_overlay") { count = $0.integer(0) }
        meta.orphans = count
    }

    /// Rollups stay: they say what passed through, not what is kept.
    private mutating func delete(_ lsns: [UInt64], at lsn: LSN) throws {
        var hot: [Int64] = []
        for row in lsns.map({ Int64(clamping: $0) }) {
            guard try removeHotRows("lsn = ?", [.integer(row)], at: lsn) > 0 else {
                try bury(row, at: lsn)
                continue
            }
            hot.append(row)
            try db.run("DELETE FROM overlay WHERE lsn = ?", [.integer(row)])
        }
        try HotBodyBlock.remove(hot.sorted(), codec, db)
    }

    private mutating func evict(through: UInt64, at lsn: LSN) throws {
        let end = try evictSegments(through: Int64(clamping: through), at: lsn)
        _ = try removeHotRows("lsn <= ?", [.integer(end)], at: lsn)
        try HotBodyBlock.remove(through: end, codec, db)
        for table in ["overlay", "quarantine"] {
            try db.run("DELETE FROM \(table) WHERE lsn <= ?", [.integer(end)])
        }
    }

    /// - Returns: how many rows that were. Their large bodies are garbage now.
    private mutating func removeHotRows(_ condition: String, _ values: [SQLValue], at lsn: LSN) throws -> Int64 {
        var objects: [String] = []
        var count: Int64 = 0
        try db.run(
            "DELETE FROM hot WHERE \(condition) AND lsn > ? RETURNING requestObject, responseObject",
            values + [.integer(meta.sealedThrough)]
        ) { row in
            count += 1
            for column in 0..<2 as Range<Int32> {
                let key = row.text(column)
                if !key.isEmpty { objects.append(key) }
            }
        }
        meta.live -= count
        try discard(objects, at: lsn)
        return count
    }

    private mutating func deleteEverything() throws {
        for table in [
            "hot", "body", "overlay", "orphan_overlay", "stream", "rollup", "rollup_hour", "quarantine", "segment",
            "tombstone",
            "garbage",
        ] {
            try db.run("DELETE FROM \(table)")
        }
        (marks, rollups) = ([:], RollupBatch())
        (meta.live, meta.orphans, meta.isDeleted) = (0, 0, true)
        knownRuns = [:]
    }
}

extension LSN {
    var stored: Int64 { Int64(bitPattern: rawValue) }
    init(stored: Int64) { self.init(rawValue: UInt64(bitPattern: stored)) }
}
