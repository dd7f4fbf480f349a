internal import GRDB
package import TidegateCore

/// One gateway's object: its SQLite database. It changes only by `apply`; short reads run here between applies, long ones
/// on connections of their own. Invariants:
/// - `meta` is what the database holds: it changes only after a commit.
/// - A connection is used in the same synchronous step that got it: it may be closed at any suspension.
package actor GatewayLog: GatewayStorage {
    struct Limits: Sendable {
        var query = Duration.seconds(10)
        var headBytes = 4_096
        /// A checkpoint is due after this much was written.
        var checkpointBytes: Int64 = 4 << 20
        /// Beyond it new scans are refused until the running ones let the WAL start over.
        var walBytesMax: Int64 = 128 << 20
    }

    let file: DatabaseFile
    let segments: Segments
    private let open: OpenDatabases
    private let codecs: BodyCodecs
    private let limits: Limits
    private let strand: DatabaseStrand
    private let scanners: [LogScanner]
    let copies: DatabaseCopies
    private var queue: DatabaseQueue?
    private var meta: DatabaseMeta?
    private var pages = PageMemory()
    private var runningScans: [Int]
    private var unflushedBytes: Int64 = 0
    private var walBytes: Int64 = 0
    private var isEnded = false
    private var isRestoring = false
    private let origin = ContinuousClock.now

    package nonisolated var unownedExecutor: UnownedSerialExecutor { strand.asUnownedSerialExecutor() }

    init(
        file: DatabaseFile, segments: Segments, open: OpenDatabases, codecs: BodyCodecs, limits: Limits,
        strand: DatabaseStrand, scanStrands: [DatabaseStrand], copies: DatabaseCopies
    ) {
        self.file = file
        self.segments = segments
        self.open = open
        self.codecs = codecs
        self.limits = limits
        self.strand = strand
        self.copies = copies
        scanners = scanStrands.map { LogScanner(file: file, strand: $0, segments: segments) }
        runningScans = scanStrands.map { _ in 0 }
    }

    package func state() async throws(TidegateError) -> GatewayState {
        try await read("Reading the state") { db, meta in
            var state = GatewayState(appliedN: meta.appliedN, live: meta.live, isDeleted: meta.isDeleted)
            try db.run("SELECT idHigh, idLow, wm, markHigh, markLow FROM stream") { row in
                state.streams[StreamID(high: row.integer(0), low: row.integer(1))] = StreamMark(
                    sequence: UInt64(clamping: row.integer(2)),
                    id: RecordID(high: row.integer(3), low: row.integer(4)))
            }
            return state
        }
    }

    package func apply(n: LogIndex, epoch: Epoch, _ entries: [CommittedEntry]) async throws(TidegateError) -> Int64 {
        await makeRoom()
        do {
            let (queue, known) = try connected()
            guard n > known.appliedN else { return known.live }
            let applied = try codecs.with { codec in
                try queue.inDatabase { db in
                    var application = EntryApplication(
                        db: db, gateway: file.identity.gateway, codec: codec, meta: known)
                    try db.inTransaction(.immediate) {
                        for entry in entries { try application.apply(entry) }
                        FaultPoint.duringApply.reached()
                        try application.finish(n: n, epoch: epoch)
                        return .commit
                    }
                    return application.meta
                }
            }
            meta = applied
            if entries.contains(where: \.entry.removesRows) { pages.forgetAll() }
            unflushedBytes += entries.reduce(4_096) { $0 + $1.entry.estimatedBytes }
            if unflushedBytes >= limits.checkpointBytes { checkpoint(queue) }
            return applied.live
        } catch {
            throw .database(error, "Applying log object \(n)")
        }
    }

    package func tidy() async throws(TidegateError) -> Bool {
        await makeRoom()
        let (queue, meta) = try connected()
        do {
            let remain = try queue.inDatabase { db in
                guard try SealedRows.remain(meta, db) else { return false }
                try db.inTransaction(.immediate) {
                    try SealedRows.remove(meta, db)
                    return .commit
                }
                return try SealedRows.remain(meta, db)
            }
            unflushedBytes += SealedRows.bytesWritten
            if unflushedBytes >= limits.checkpointBytes { checkpoint(queue) }
            return remain
        } catch {
            throw .database(error, "Tidying up behind a seal")
        }
    }

    package func logs(_ query: LogQuery) async throws(TidegateError) -> LogPage {
        let remembered = query.cursor == nil ? pages.boundary(before: query, at: now) : nil
        let scan = try LogScan(query, remembered: remembered)
        let answer = try await scanning("The query") { scanner, deadline in
            try await SegmentedScan(scan: scan, scanner: scanner, segments: self.segments, deadline: deadline).page()
        }
        if let end = answer.end, query.cursor == nil { pages.note(end, endOf: query, at: now) }
        return answer.page
    }

    package func matching(_ query: LogQuery, limit: Int) async throws(TidegateError) -> [UInt64] {
        var query = query
        (query.page, query.perPage, query.cursor) = (1, 1, nil)
        let scan = try LogScan(query, remembered: nil)
        return try await scanning("The query") { scanner, deadline in
            try await SegmentedScan(scan: scan, scanner: scanner, segments: self.segments, deadline: deadline)
                .places(limit: limit).map { LSN(stored: $0.lsn).rawValue }
        }
    }

    package func analytics(_ query: AnalyticsQuery) async throws(TidegateError) -> AnalyticsAnswer {
        try await scanning("Summing up") { scanner, deadline in
            AnalyticsAnswer(rows: try await scanner.sums(query, by: deadline), position: nil)
        }
    }

    package func log(_ id: RecordID) async throws(TidegateError) -> LogRow? {
        try await found(id, withHeads: limits.headBytes)?.row
    }

    package func body(_ part: BodyPart, of id: RecordID) async throws(TidegateError) -> StoredBody? {
        guard let found = try await found(id, withHeads: .max) else { return nil }
        let row = found.row
        let (bytes, type) =
            switch part {
            case .request: (row.requestHead, row.record.requestContentType)
            case .response: (row.responseHead, row.record.responseContentType)
            }
        guard let bytes, !bytes.isEmpty else { return nil }
        return StoredBody(bytes: bytes, contentType: type)
    }

    package func contains(_ id: RecordID) async throws(TidegateError) -> Bool { try await place(of: id) != nil }

    package func place(of id: RecordID) async throws(TidegateError) -> UInt64? {
        try await found(id, withHeads: 0)?.row.lsn.rawValue
    }

    /// When there are fewer than `count` rows, the newest one's LSN. Segments go whole: the place may be that of a younger
    /// row, the last of its segment.
    package func oldest(_ count: Int) async throws(TidegateError) -> UInt64? {
        guard count > 0 else { return nil }
        return try await read("Finding the oldest rows") { db, meta in
            var place: UInt64?
            var left = min(Int64(count), meta.live)
            try db.run("SELECT live, last FROM segment ORDER BY first") { row in
                guard left > 0 else { return }
                left -= row.integer(0)
                place = UInt64(bitPattern: row.integer(1))
            }
            guard left > 0 else { return place }
            try db.run("SELECT lsn FROM log ORDER BY lsn LIMIT 1 OFFSET ?", [.integer(left - 1)]) {
                place = UInt64(bitPattern: $0.integer(0))
            }
            return place
        }
    }

    /// SHA-256 over everything that a replay must give again, in hexadecimal (I9).
    package func contentHash() async throws(TidegateError) -> String {
        try await read("Hashing the content") { db, meta in try ContentHash.hash(db, meta) }
    }

    package func close() async {
        await end()
        open.forget(file.identity.gateway, self)
    }

    package func destroy() async throws(TidegateError) {
        await end()
        defer { open.forget(file.identity.gateway, self) }
        do { try file.remove() } catch { throw .database(error, "Deleting the files") }
    }

    /// Opens the file when it is a faithful cache and no older than `base`; else makes it from that, or empty.
    func start(from base: SnapshotManifest.Item?) async throws(TidegateError) {
        await makeRoom()
        guard queue == nil, !isEnded else {
            if isEnded { throw Self.ended }
            return
        }
        guard meta == nil else {
            _ = try connected()
            return
        }
        do {
            var found = try file.openIfFaithful()
            if let base, let old = found,
                try old.inDatabase({ try DatabaseMeta.read($0) })?.appliedN ?? 0 < base.appliedN
            {
                try old.close()
                found = nil
            }
            if found == nil, let base {
                guard !isRestoring else {
                    throw TidegateError(.unavailable, "The gateway's database is being fetched. Try again.")
                }
                isRestoring = true
                defer { isRestoring = false }
                try await copies.restore(base)
                guard !isEnded else { throw Self.ended }
                found = try file.openIfFaithful()
                guard found != nil else {
                    throw TidegateError(.corrupt, "The snapshot \(base.key) is no database of this gateway.")
                }
            }
            let queue = try found ?? file.replace()
            self.queue = queue
            meta = try queue.inDatabase { try DatabaseMeta.read($0) }
        } catch {
            throw .database(error, "Opening the database")
        }
    }

    /// What `pin` holds: the newest log object that is applied.
    func appliedMark() async throws(TidegateError) -> LogIndex {
        await makeRoom()
        return try connected().1.appliedN
    }

    /// The content as a file of its own, through the connection that is open anyway.
    func copied() async throws -> PinnedCopy {
        await makeRoom()
        let (queue, meta) = try connected()
        return try copies.copy(queue, appliedN: meta.appliedN)
    }

    /// Gives the connections up; the next use opens them again. Waits for no query: those that run close their own when
    /// they are done.
    func hibernate() async {
        closeWriter()
        for (lane, scanner) in scanners.enumerated() where runningScans[lane] == 0 { await scanner.close() }
    }

    private func end() async {
        isEnded = true
        closeWriter()
        for scanner in scanners { await scanner.close() }
    }

    private func closeWriter() {
        try? queue?.close()
        queue = nil
        walBytes = 0
    }

    private var now: Duration { origin.duration(to: .now) }

    private func makeRoom() async {
        guard !isEnded, let other = open.touch(file.identity.gateway), other !== self else { return }
        await other.hibernate()
    }

    private func connected() throws(TidegateError) -> (DatabaseQueue, DatabaseMeta) {
        guard !isEnded else { throw Self.ended }
        guard let meta else { throw TidegateError(.unavailable, "The gateway's database is not open yet. Try again.") }
        if let queue { return (queue, meta) }
        do {
            let queue = try file.reopen()
            self.queue = queue
            return (queue, meta)
        } catch {
            throw .database(error, "Opening the database again")
        }
    }

    func read<Value: Sendable>(
        _ doing: String, _ body: (Database, DatabaseMeta) throws -> Value
    ) async throws(TidegateError) -> Value {
        await makeRoom()
        let (queue, meta) = try connected()
        do {
            return try queue.inDatabase { try body($0, meta) }
        } catch {
            throw .database(error, doing)
        }
    }

    /// Lends a connection for scans. A question whose segments were replaced meanwhile is asked once more (A33).
    func scanning<Value: Sendable>(
        _ doing: String, _ body: (LogScanner, QueryDeadline) async throws -> Value
    ) async throws(TidegateError) -> Value {
        let deadline = QueryDeadline(after: limits.query)
        await makeRoom()
        _ = try connected()
        guard walBytes < limits.walBytesMax || runningScans.allSatisfy({ $0 == 0 }) else {
            throw TidegateError(.overloaded, "Long queries keep the database from tidying up. Try again in a moment.")
        }
        guard let lane = runningScans.indices.min(by: { runningScans[$0] < runningScans[$1] }) else {
            throw TidegateError(.internalError, "The database was opened without connections for queries.")
        }
        runningScans[lane] += 1
        let answer: Result<Value, TidegateError>
        do {
            do {
                answer = .success(try await body(scanners[lane], deadline))
            } catch is SegmentGone {
                answer = .success(try await body(scanners[lane], deadline))
            }
        } catch is SegmentGone {
            answer = .failure(
                TidegateError(.unavailable, "A sealed part of the log cannot be found in the object store."))
        } catch {
            answer = .failure(.database(error, doing))
        }
        runningScans[lane] -= 1
        if queue == nil, runningScans[lane] == 0 { await scanners[lane].close() }
        return try answer.get()
    }

    /// Passive: waits for nobody. What readers still need stays in the WAL and is tried again at the next one.
    private func checkpoint(_ queue: DatabaseQueue) {
        unflushedBytes = 0
        let pages: Int64? = try? queue.inDatabase { db in
            var left: Int64 = 0
            try db.run("PRAGMA wal_checkpoint(PASSIVE)") { row in
                left = row.integer(1) == row.integer(2) ? 0 : row.integer(1)
            }
            return left
        }
        walBytes = (pages ?? 0) * 16_384
    }

    private static var ended: TidegateError {
        TidegateError(.unavailable, "The gateway's database is closed. Open it again.")
    }
}
