internal import GRDB
internal import TidegateCore

/// What entries about segments do to the database. They never read a segment: the descriptions say which rows it holds.
/// An entry that does not fit what is there changes nothing and makes its objects garbage (A13): it can only come from an
/// owner that had lost track, and its rows are all where they were.
extension EntryApplication {
    mutating func seal(_ segment: SegmentDescription, at lsn: LSN) throws {
        FaultPoint.beforeSealApply.reached()
        guard let runs = try? LSNRuns(encoded: segment.runs), let first = runs.first, let last = runs.last,
            Int64(clamping: first) > meta.sealedThrough, segment.asOf <= lsn.n,
            let missing = try missing(of: runs, first, last)
        else { return try discard(segment.ownKeys, at: lsn) }
        guard UInt64(missing.count) < runs.count else { return try discard(segment.ownKeys, at: lsn) }
        for row in missing { try db.run("INSERT INTO tombstone VALUES(?)", [.integer(Int64(clamping: row))]) }
        // From here on they are not hot. `SealedRows` takes them out of the file, a few at a time.
        meta.sealedThrough = Int64(clamping: last)
        try db.run("UPDATE meta SET sealedThrough = ?", [.integer(meta.sealedThrough)])
        FaultPoint.duringSealApply.reached()
        try insert(segment, runs, tombstones: missing.count, at: lsn)
    }

    /// Rows of the segment that were deleted while it was made; `nil` when there are others in its place, or before it.
    private func missing(of runs: LSNRuns, _ first: UInt64, _ last: UInt64) throws -> [UInt64]? {
        var missing: [UInt64] = []
        var expected = runs.elements.makeIterator()
        var next = expected.next()
        var fits = true
        try db.run(
            "SELECT lsn FROM hot WHERE lsn BETWEEN ? AND ?",
            [.integer(meta.sealedThrough + 1), .integer(Int64(clamping: last))]
        ) { row in
            let lsn = UInt64(bitPattern: row.integer(0))
            while let candidate = next, candidate < lsn {
                missing.append(candidate)
                next = expected.next()
            }
            if next == lsn { next = expected.next() } else { fits = false }
        }
        while let candidate = next {
            missing.append(candidate)
            next = expected.next()
        }
        return fits ? missing : nil
    }

    mutating func compact(_ replaced: [String], into segments: [SegmentDescription], at lsn: LSN) throws {
        let made = segments.flatMap(\.ownKeys)
        var rows: Int64 = 0
        var firsts: [Int64] = []
        for key in Set(replaced) {
            try db.run("SELECT first, rows FROM segment WHERE key = ?", [.text(key)]) {
                firsts.append($0.integer(0))
                rows += $0.integer(1)
            }
        }
        guard firsts.count == replaced.count, let runs = try? segments.map({ try LSNRuns(encoded: $0.runs) }),
            segments.allSatisfy({ $0.asOf <= lsn.n }), try isSubset(runs, of: firsts)
        else { return try discard(made, at: lsn) }
        // What they do not hold must be deleted rows, or rows would be lost.
        var dropped: Int64 = 0
        for first in firsts {
            try db.run(
                "SELECT t.lsn FROM segment s JOIN tombstone t ON t.lsn BETWEEN s.first AND s.last WHERE s.first = ?",
                [.integer(first)]
            ) { row in
                let place = UInt64(bitPattern: row.integer(0))
                if !runs.contains(where: { $0.contains(place) }) { dropped += 1 }
            }
        }
        guard rows - dropped == runs.reduce(0, { $0 + Int64(clamping: $1.count) }) else {
            return try discard(made, at: lsn)
        }
        var buried: Set<UInt64> = []
        for first in firsts {
            try db.run(
                "SELECT t.lsn FROM segment s JOIN tombstone t ON t.lsn BETWEEN s.first AND s.last WHERE s.first = ?",
                [.integer(first)]
            ) { buried.insert(UInt64(bitPattern: $0.integer(0))) }
        }
        let needed = Set(segments.flatMap(\.keys))
        for first in firsts { _ = try drop(first, sparing: needed, keepingOverlays: true, at: lsn) }
        FaultPoint.duringCompactionApply.reached()
        for (segment, runs) in zip(segments, runs) {
            let graves = buried.filter { runs.contains($0) }.sorted()
            if UInt64(graves.count) == runs.count {
                try discard(segment.keys, at: lsn)
                continue
            }
            for grave in graves { try db.run("INSERT INTO tombstone VALUES(?)", [.integer(Int64(clamping: grave))]) }
            try insert(segment, runs, tombstones: graves.count, at: lsn)
        }
    }

    /// Whether the lists are in order, do not overlap, and every row of them is in one of those segments.
    private mutating func isSubset(_ runs: [LSNRuns], of firsts: [Int64]) throws -> Bool {
        var end: UInt64 = 0
        var others: [LSNRuns] = []
        for first in firsts { others.append(try self.runs(of: first)) }
        for list in runs {
            guard let first = list.first, let last = list.last, first > end else { return false }
            end = last
            guard list.elements.allSatisfy({ lsn in others.contains { $0.contains(lsn) } }) else { return false }
        }
        return true
    }

    private mutating func insert(
        _ segment: SegmentDescription, _ runs: LSNRuns, tombstones: Int, at lsn: LSN
    ) throws {
        let (first, last) = (Int64(clamping: runs.first ?? 0), Int64(clamping: runs.last ?? 0))
        let edited = try fold(first, last, through: segment.asOf)
        let rows = Int64(clamping: runs.count)
        var objects = ByteWriter()
        objects.texts(segment.bodyObjects)
        var statement = try db.prepared(
            "INSERT INTO segment VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        for value in [
            first, last, Int64(clamping: segment.asOf), rows, rows - Int64(tombstones), Int64(tombstones), edited,
            lsn.stored,
        ] { statement.bind(value) }
        statement.bind(segment.key)
        statement.bind(Int64(segment.crc))
        statement.bind(Int64(clamping: segment.storedBytes))
        statement.bind(Int64(clamping: segment.fileBytes))
        statement.bind(segment.packKey)
        statement.bind(Int64(clamping: segment.packBytes))
        for bytes in [segment.runs, segment.zone, objects.bytes] {
            bytes.withUnsafeBytes { statement.bind(blob: $0) }
        }
        try statement.run()
        knownRuns[first] = nil
        meta.segmentVersion = lsn.stored
    }

    /// Later words that are in the segment leave the hot database, newer ones stay.
    /// - Returns: LSN of the newest that stays; 0 for none.
    private func fold(_ first: Int64, _ last: Int64, through asOf: LogIndex) throws -> Int64 {
        let end = LSN(n: min(asOf, 1 << 43 - 1) + 1, index: 0).stored
        let fields = ["feedback", "score", "metadata"]
        let changes = fields.map { field in
            """
            \(field) = CASE WHEN \(field)LSN >= ?1 THEN \(field) END,
            \(field)LSN = CASE WHEN \(field)LSN >= ?1 THEN \(field)LSN END
            """
        }
        try db.run(
            "UPDATE overlay SET \(changes.joined(separator: ", ")) WHERE lsn BETWEEN ?2 AND ?3",
            [.integer(end), .integer(first), .integer(last)])
        let isEmpty = fields.map { "\($0)LSN IS NULL" }.joined(separator: " AND ")
        let range = [SQLValue.integer(first), .integer(last)]
        try db.run("DELETE FROM overlay WHERE lsn BETWEEN ? AND ? AND \(isEmpty)", range)
        var newest: Int64 = 0
        try db.run(
            """
            SELECT ifnull(max(max(ifnull(feedbackLSN, 0), ifnull(scoreLSN, 0), ifnull(metadataLSN, 0))), 0)
            FROM overlay WHERE lsn BETWEEN ? AND ?
            """, range
        ) { newest = $0.integer(0) }
        return newest
    }

    /// Deletes a row of a segment, if it is one and still lives.
    mutating func bury(_ row: Int64, at lsn: LSN) throws {
        guard let first = try segment(of: row) else { return }
        try db.run("INSERT OR IGNORE INTO tombstone VALUES(?)", [.integer(row)])
        guard db.changes > 0 else { return }
        try db.run("DELETE FROM overlay WHERE lsn = ?", [.integer(row)])
        meta.live -= 1
        meta.segmentVersion = lsn.stored
        var live: Int64 = 1
        try db.run(
            """
            UPDATE segment SET live = live - 1, tombstones = tombstones + 1, version = ? WHERE first = ?
                RETURNING live
            """, [.integer(lsn.stored), .integer(first)]
        ) { live = $0.integer(0) }
        if live <= 0 { _ = try drop(first, at: lsn) }
    }

    mutating func edit(row: Int64, _ patch: LogPatch, at lsn: LSN) throws {
        guard patch != LogPatch() else { return }
        var isHot = false
        try db.run("SELECT 1 FROM log WHERE lsn = ?", [.integer(row)]) { _ in isHot = true }
        if isHot { return try OverlayColumns.put(patch, onRow: row, lsn: lsn, into: db) }
        guard let first = try segment(of: row) else { return }
        var isBuried = false
        try db.run("SELECT 1 FROM tombstone WHERE lsn = ?", [.integer(row)]) { _ in isBuried = true }
        guard !isBuried else { return }
        try OverlayColumns.put(patch, onRow: row, lsn: lsn, into: db)
        try db.run(
            "UPDATE segment SET edited = ?1, version = ?1 WHERE first = ?2", [.integer(lsn.stored), .integer(first)])
        meta.segmentVersion = lsn.stored
    }

    /// Drops the segments that end by `end`.
    /// - Returns: where hot rows end that go, too: before the segment that stays although it begins earlier.
    mutating func evictSegments(through end: Int64, at lsn: LSN) throws -> Int64 {
        var firsts: [Int64] = []
        try db.run("SELECT first FROM segment WHERE last <= ?", [.integer(end)]) { firsts.append($0.integer(0)) }
        for first in firsts { meta.live -= try drop(first, at: lsn) }
        var cut = end
        try db.run("SELECT min(first) FROM segment WHERE first <= ?", [.integer(end)]) { row in
            if let first = row.optionalInteger(0) { cut = first - 1 }
        }
        return cut
    }

    /// - Parameter needed: objects that another segment goes on using.
    /// - Returns: live rows that were in it.
    private mutating func drop(
        _ first: Int64, sparing needed: Set<String> = [], keepingOverlays: Bool = false, at lsn: LSN
    ) throws -> Int64 {
        var (live, last) = (Int64(0), first)
        var objects: [String] = []
        try db.run(
            "DELETE FROM segment WHERE first = ? RETURNING live, last, key, packKey, bodyObjects", [.integer(first)]
        ) { row in
            (live, last) = (row.integer(0), row.integer(1))
            var reader = ByteReader(row.blob(4))
            objects = ((try? reader.texts()) ?? []) + [row.text(3), row.text(2)].filter { !$0.isEmpty }
        }
        try discard(objects.filter { !needed.contains($0) }, at: lsn)
        for table in keepingOverlays ? ["tombstone"] : ["tombstone", "overlay"] {
            try db.run("DELETE FROM \(table) WHERE lsn BETWEEN ? AND ?", [.integer(first), .integer(last)])
        }
        knownRuns[first] = nil
        meta.segmentVersion = lsn.stored
        return live
    }

    func discard(_ keys: [String], at lsn: LSN) throws {
        for key in keys {
            try db.run("INSERT OR IGNORE INTO garbage VALUES(?, ?)", [.text(key), .integer(Int64(clamping: lsn.n))])
        }
    }

    /// The segment that holds the row, by its first LSN; `nil` when none does.
    private mutating func segment(of row: Int64) throws -> Int64? {
        var found: Int64?
        try db.run("SELECT first, last FROM segment WHERE first <= ? ORDER BY first DESC LIMIT 1", [.integer(row)]) {
            if $0.integer(1) >= row { found = $0.integer(0) }
        }
        guard let found, row >= 0, try runs(of: found).contains(UInt64(row)) else { return nil }
        return found
    }

    private mutating func runs(of first: Int64) throws -> LSNRuns {
        if let known = knownRuns[first] { return known }
        var bytes: [UInt8] = []
        try db.run("SELECT runs FROM segment WHERE first = ?", [.integer(first)]) { bytes = $0.blob(0) }
        let runs = try LSNRuns(encoded: bytes)
        knownRuns[first] = runs
        return runs
    }
}
