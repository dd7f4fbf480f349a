internal import GRDB
internal import TidegateCore

/// What a database says about itself: its only `meta` row.
struct DatabaseMeta: Equatable, Sendable {
    var appliedN: LogIndex = 0
    var epoch: Epoch = 0
    var live: Int64 = 0
    /// Rows of `orphan_overlay`: while there are none, no inserted row looks for one.
    var orphans: Int64 = 0
    var isDeleted = false
    /// LSN of the entry that changed the table `segment` last.
    var segmentVersion: Int64 = 0
    /// Rows up to this LSN are hot no more, wherever they lie. Never goes back.
    var sealedThrough: Int64 = 0

    static func read(_ db: Database) throws -> DatabaseMeta? {
        var meta: DatabaseMeta?
        try db.run("SELECT appliedN, epoch, live, orphans, isDeleted, segmentVersion, sealedThrough FROM meta") { row in
            meta = DatabaseMeta(
                appliedN: UInt64(bitPattern: row.integer(0)), epoch: UInt64(bitPattern: row.integer(1)),
                live: row.integer(2), orphans: row.integer(3), isDeleted: row.integer(4) != 0,
                segmentVersion: row.integer(5), sealedThrough: row.integer(6))
        }
        return meta
    }

    func write(_ db: Database) throws {
        var statement = try db.prepared(
            """
            UPDATE meta SET appliedN = ?, epoch = ?, live = ?, orphans = ?, isDeleted = ?, segmentVersion = ?,
                sealedThrough = ?
            """)
        statement.bind(Int64(bitPattern: appliedN))
        statement.bind(Int64(bitPattern: epoch))
        statement.bind(live)
        statement.bind(orphans)
        statement.bind(isDeleted ? 1 : 0 as Int64)
        statement.bind(segmentVersion)
        statement.bind(sealedThrough)
        try statement.run()
    }
}

/// What a file must say to be kept.
struct DatabaseIdentity: Equatable, Sendable {
    let gateway: GatewayUID
    let slot: SlotID
    /// The machine's current start: without `fsync`, a file survives a crash of the process but not of the machine.
    let bootID: String

    func write(_ db: Database) throws {
        try db.run(
            "INSERT INTO meta VALUES(?, ?, ?, ?, ?, 0, 0, 0, 0, 0, 0, 0)",
            [
                .integer(DatabaseSchema.version), .integer(gateway.high), .integer(gateway.low), .text(bootID),
                .text("\(slot)"),
            ])
    }

    /// Makes a copy from another machine, or another start of this one, ours.
    func adopt(_ db: Database) throws {
        try db.run("UPDATE meta SET bootID = ?", [.text(bootID)])
    }

    /// Whether the file is ours, of this start of the machine, and does not contradict itself. Cheap whatever its size.
    func matches(_ db: Database) throws -> Bool {
        var rows = 0
        var isOurs = false
        var appliedN: LogIndex = 0
        try db.run("SELECT version, uidHigh, uidLow, bootID, slot, appliedN, live FROM meta") { row in
            rows += 1
            isOurs =
                row.integer(0) == DatabaseSchema.version && row.integer(1) == gateway.high
                && row.integer(2) == gateway.low && row.text(3) == bootID && row.text(4) == "\(slot)"
                && row.integer(6) >= 0
            appliedN = UInt64(bitPattern: row.integer(5))
        }
        guard rows == 1, isOurs else { return false }
        var isConsistent = true
        try db.run("SELECT ifnull(max(lsn), 0) FROM log") { row in
            isConsistent = LSN(rawValue: UInt64(bitPattern: row.integer(0))).n <= appliedN
        }
        for table in [
            "body", "overlay", "orphan_overlay", "stream", "rollup", "rollup_hour", "quarantine", "segment",
            "tombstone",
            "garbage",
        ] {
            try db.run("SELECT 1 FROM \(table) LIMIT 1")
        }
        return isConsistent
    }
}

extension Identifier128 {
    /// Upper half as SQLite's integer; `init(high:low:)` reads it back.
    var high: Int64 { Int64(truncatingIfNeeded: bits >> 64) }
    var low: Int64 { Int64(truncatingIfNeeded: bits) }

    init(high: Int64, low: Int64) {
        self.init(bits: UInt128(UInt64(bitPattern: high)) << 64 | UInt128(UInt64(bitPattern: low)))
    }
}
