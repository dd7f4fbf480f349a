internal import TidegateCore

/// A gateway's database in memory, with the rules by which entries change the real one. Copying it is a snapshot.
struct GatewayImage {
    struct Mark: Equatable {
        var sequence: UInt64
        var id: RecordID
    }
    struct Edit: Equatable {
        var value: Int
        var lsn: UInt64
    }

    private(set) var appliedN: LogIndex = 0
    var live = 0
    private(set) var isDeleted = false
    private(set) var hot: [UInt64: RecordID] = [:]
    struct Sealed {
        var segment: SimulatedSegment
        /// Rows of it that are deleted.
        var tombstones: Set<UInt64> = []
        var live: Int { segment.lsns.count - tombstones.count }
    }

    /// Ascending, without overlaps.
    var sealed: [Sealed] = []
    /// Objects that no row needs since that log object.
    var garbage: [String: LogIndex] = [:]
    private(set) var streams: [StreamID: Mark] = [:]
    private var ids: [RecordID: UInt64] = [:]
    var overlays: [UInt64: Edit] = [:]
    private var orphans: [RecordID: Edit] = [:]
    /// Of the whole content, whatever order it came in: two replicas that differ anywhere differ here (I9).
    var digest: UInt64 = 0

    mutating func apply(_ n: LogIndex, _ entries: [(lsn: UInt64, entry: SimulatedEntry)], _ mutant: Mutant?) {
        guard n > appliedN else { return }
        appliedN = n
        for (lsn, entry) in entries where !isDeleted { apply(entry, lsn, mutant) }
    }

    /// - Parameter mutant: a rule that this replica does not keep.
    mutating func apply(_ entry: SimulatedEntry, _ lsn: UInt64, _ mutant: Mutant?) {
        switch entry {
        case .record(let stream, let sequence, let id):
            advance(stream, Mark(sequence: sequence, id: id))
            insert(id, lsn)
        case .skip(let stream, let sequence, let id, _): advance(stream, Mark(sequence: sequence, id: id))
        case .edit(let id, let value):
            if let row = ids[id] {
                put(Edit(value: value, lsn: lsn), onRow: row)
            } else if mutant != .orphandropped {
                if let old = orphans[id] { digest ^= orphanDigest(id, old) }
                orphans[id] = Edit(value: value, lsn: lsn)
                digest ^= orphanDigest(id, Edit(value: value, lsn: lsn))
            }
        case .editRow(let row, let value):
            if hot[row] != nil || place(ofSealed: row) != nil { put(Edit(value: value, lsn: lsn), onRow: row) }
        case .delete(let lsns): for row in lsns { remove(row, at: lsn) }
        case .evict(let through): evict(through, at: lsn)
        case .sealed(let segment): seal(segment, at: lsn, mutant)
        case .compacted(let replaced, let segment): compact(replaced, segment, at: lsn, mutant)
        case .collected(let n): for key in garbage.keys where garbage[key] ?? 0 <= n { forget(key) }
        case .gatewayDeleted:
            let n = appliedN
            self = GatewayImage()
            (appliedN, isDeleted, digest) = (n, true, 1)
        }
    }

    private mutating func advance(_ stream: StreamID, _ mark: Mark) {
        let old = streams[stream]
        if let old, old.sequence >= mark.sequence { return }
        if let old { digest ^= mix(10, mix(stream.bits), old.sequence, mix(old.id.bits)) }
        digest ^= mix(10, mix(stream.bits), mark.sequence, mix(mark.id.bits))
        streams[stream] = mark
    }

    private mutating func insert(_ id: RecordID, _ lsn: UInt64) {
        guard ids[id] == nil else { return }  // quarantined
        hot[lsn] = id
        ids[id] = lsn
        live += 1
        digest ^= mix(11, lsn, mix(id.bits))
        guard let orphan = orphans.removeValue(forKey: id) else { return }
        digest ^= orphanDigest(id, orphan)
        put(orphan, onRow: lsn)
    }

    private mutating func put(_ edit: Edit, onRow row: UInt64) {
        dropOverlay(row)
        overlays[row] = edit
        digest ^= mix(12, row, UInt64(edit.value), edit.lsn)
    }

    mutating func dropOverlay(_ row: UInt64) {
        guard let old = overlays.removeValue(forKey: row) else { return }
        digest ^= mix(12, row, UInt64(old.value), old.lsn)
    }

    private func orphanDigest(_ id: RecordID, _ edit: Edit) -> UInt64 {
        mix(13, mix(id.bits), UInt64(edit.value), edit.lsn)
    }

    private mutating func remove(_ row: UInt64, at lsn: UInt64) {
        guard dropHot(row) else { return bury(row, at: lsn) }
        live -= 1
        dropOverlay(row)
    }

    mutating func dropHot(_ row: UInt64) -> Bool {
        guard let id = hot.removeValue(forKey: row) else { return false }
        ids[id] = nil
        digest ^= mix(11, row, mix(id.bits))
        return true
    }

    private mutating func evict(_ through: UInt64, at lsn: UInt64) {
        let end = evictionEnd(through)
        while let first = sealed.first, first.segment.last <= end {
            live -= first.live
            dropSegment(0, at: lsn)
        }
        for row in hot.keys where row <= end { remove(row, at: lsn) }
    }

    /// Segments go whole: where an eviction up to `through` ends.
    func evictionEnd(_ through: UInt64) -> UInt64 {
        guard let split = sealed.first(where: { $0.segment.last > through }), split.segment.first <= through else {
            return through
        }
        return split.segment.first - 1
    }

    // MARK: - Reading

    /// Place of a row that is there.
    func lsn(of id: RecordID, in store: SimulatedObjects) -> UInt64? {
        ids[id] ?? rows(store)?.first { $0.id == id }?.lsn
    }

    /// What readers see, hot and sealed rows merged.
    /// - Returns: `nil` when a segment is missing.
    func rows(_ store: SimulatedObjects) -> [SegmentRow]? {
        var rows = hot.map { SegmentRow(lsn: $0.key, id: $0.value, value: overlays[$0.key]?.value ?? 0) }
        for entry in sealed {
            guard let blob = store.blobs[entry.segment.key], case .segment(let sealed) = blob.content,
                store.blobs[entry.segment.pack] != nil
            else { return nil }
            for row in sealed where !entry.tombstones.contains(row.lsn) {
                rows.append(SegmentRow(lsn: row.lsn, id: row.id, value: overlays[row.lsn]?.value ?? row.value))
            }
        }
        return rows
    }

    static func digest(of rows: [SegmentRow]) -> UInt64 { rows.reduce(0) { $0 ^ digest(of: $1) } }
    static func digest(of row: SegmentRow) -> UInt64 { mix(20, row.lsn, mix(row.id.bits), UInt64(row.value)) }

    /// The oldest hot rows, as a segment of them would hold them.
    func oldestHot(_ count: Int) -> [SegmentRow] {
        hot.keys.sorted().prefix(count).compactMap { lsn in
            hot[lsn].map { SegmentRow(lsn: lsn, id: $0, value: overlays[lsn]?.value ?? 0) }
        }
    }
}
