internal import TidegateCore

/// A gateway as plainly as it can be: rows and what was last said about each. Knows nothing of segments or snapshots.
struct FlatGateway {
    private struct Row {
        var id: RecordID
        var value: Int
    }

    /// Rows may come under two streams: the second is quarantined, as the database does.
    private let isForked: Bool
    private var rows: [UInt64: Row] = [:]
    private var places: [RecordID: UInt64] = [:]
    private var orphans: [RecordID: Int] = [:]
    private var everCommitted: [RecordID: LogIndex] = [:]
    /// What each stream's numbers were used for; `nil` is a skip.
    private var streams: [StreamID: [RecordID?]] = [:]
    private(set) var isDeleted = false
    private(set) var lastEdit: UInt64 = 0
    private(set) var lastDelete: UInt64 = 0
    private(set) var digest: UInt64 = 0
    private var history: [(n: LogIndex, digest: UInt64, live: Int)] = []
    /// Digest of the whole database by object, as the first replica had it.
    private var replicas: [LogIndex: UInt64] = [:]
    init(isForked: Bool) { self.isForked = isForked }

    var live: Int { rows.count }
    var lastN: LogIndex { history.last?.n ?? 0 }

    func isCommitted(_ id: RecordID) -> Bool { everCommitted[id] != nil }
    func n(of id: RecordID) -> LogIndex? { everCommitted[id] }
    /// Double optional: `nil` when the number was never used.
    func use(of stream: StreamID, _ sequence: UInt64) -> RecordID?? {
        guard let used = streams[stream], sequence > 0, sequence <= UInt64(used.count) else { return nil }
        return used[Int(sequence) - 1]
    }

    /// - Returns: the invariant that the entry breaks, and how.
    mutating func apply(_ entry: SimulatedEntry, lsn: UInt64) -> (String, String)? {
        if isDeleted {
            if case .record(_, _, let id) = entry { return ("I5", "row \(id.bits) committed behind the gateway's end") }
            return nil
        }
        switch entry {
        case .record(let stream, let sequence, let id):
            if let broken = use(stream, sequence, id) { return broken }
            if everCommitted.updateValue(LSN(rawValue: lsn).n, forKey: id) != nil {
                return isForked ? nil : ("I5", "row \(id.bits) is in the log twice")
            }
            let value = orphans.removeValue(forKey: id) ?? 0
            places[id] = lsn
            set(lsn, Row(id: id, value: value))
        case .skip(let stream, let sequence, _, _): return use(stream, sequence, nil)
        case .edit(let id, let value):
            lastEdit = lsn
            guard let lsn = places[id] else {
                if everCommitted[id] == nil { orphans[id] = value }
                return nil
            }
            set(lsn, Row(id: id, value: value))
        case .editRow(let row, let value):
            lastEdit = lsn
            if let old = rows[row] { set(row, Row(id: old.id, value: value)) }
        case .delete(let lsns):
            lastDelete = lsn
            for row in lsns { drop(row) }
        case .evict(let through): for lsn in rows.keys where lsn <= through { drop(lsn) }
        case .sealed, .compacted, .collected: break
        case .gatewayDeleted:
            (rows, places, orphans, digest, isDeleted) = ([:], [:], [:], 0, true)
        }
        return nil
    }

    private mutating func use(_ stream: StreamID, _ sequence: UInt64, _ id: RecordID?) -> (String, String)? {
        let used = UInt64(streams[stream]?.count ?? 0)
        guard sequence == used + 1 else { return ("I6", "sequence \(sequence) of a stream follows \(used)") }
        streams[stream, default: []].append(id)
        return nil
    }

    private mutating func set(_ lsn: UInt64, _ row: Row) {
        drop(lsn)
        rows[lsn] = row
        places[row.id] = lsn
        digest ^= Self.digest(lsn, row)
    }

    private mutating func drop(_ lsn: UInt64) {
        guard let row = rows.removeValue(forKey: lsn) else { return }
        places[row.id] = nil
        digest ^= Self.digest(lsn, row)
    }

    private static func digest(_ lsn: UInt64, _ row: Row) -> UInt64 {
        GatewayImage.digest(of: SegmentRow(lsn: lsn, id: row.id, value: row.value))
    }

    mutating func remember(_ n: LogIndex) { history.append((n, digest, rows.count)) }

    /// Digest of what readers see at `n`.
    func digest(at n: LogIndex) -> UInt64 { history.last { $0.n <= n }?.digest ?? 0 }

    /// Rows at `n`, if it was a change of this gateway.
    func live(at n: LogIndex) -> Int? { history.last { $0.n == n }?.live }

    /// - Returns: what is wrong with a replica's state at `n`, or `nil`.
    mutating func replica(at n: LogIndex, _ digest: UInt64, _ live: Int) -> String? {
        if let known = replicas[n], known != digest { return "replicas differ" }
        replicas[n] = digest
        return nil
    }
}
