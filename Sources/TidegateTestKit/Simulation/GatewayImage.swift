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
    private(set) var live = 0
    private(set) var isDeleted = false
    private(set) var hot: [UInt64: RecordID] = [:]
    private(set) var segments: [SimulatedSegment] = []
    private(set) var streams: [StreamID: Mark] = [:]
    private var ids: [RecordID: UInt64] = [:]
    private var overlays: [UInt64: Edit] = [:]
    private var orphans: [RecordID: Edit] = [:]
    /// Rows that are gone, though a segment may hold them, and since which entry.
    private var tombstones: [UInt64: UInt64] = [:]
    /// Of the whole content, whatever order it came in: two replicas that differ anywhere differ here (I9).
    private(set) var digest: UInt64 = 0

    mutating func apply(_ n: LogIndex, _ entries: [(lsn: UInt64, entry: SimulatedEntry)], _ mutant: Mutant?) {
        guard n > appliedN else { return }
        appliedN = n
        for (lsn, entry) in entries where !isDeleted { apply(entry, lsn, mutant) }
    }

    private mutating func apply(_ entry: SimulatedEntry, _ lsn: UInt64, _ mutant: Mutant?) {
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
            if hot[row] != nil || isSealed(row) { put(Edit(value: value, lsn: lsn), onRow: row) }
        case .delete(let lsns): for row in lsns { remove(row, at: lsn) }
        case .evict(let through): evict(through, at: lsn)
        case .sealed(let segment): seal(segment, mutant)
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

    private mutating func dropOverlay(_ row: UInt64) {
        guard let old = overlays.removeValue(forKey: row) else { return }
        digest ^= mix(12, row, UInt64(old.value), old.lsn)
    }

    private func orphanDigest(_ id: RecordID, _ edit: Edit) -> UInt64 {
        mix(13, mix(id.bits), UInt64(edit.value), edit.lsn)
    }

    private func isSealed(_ row: UInt64) -> Bool {
        tombstones[row] == nil && segments.contains { $0.lsns.contains(row) }
    }

    private mutating func remove(_ row: UInt64, at lsn: UInt64) {
        guard dropHot(row) || isSealed(row) else { return }
        live -= 1
        dropOverlay(row)
        tombstones[row] = lsn
        digest ^= mix(14, row, lsn)
    }

    private mutating func dropHot(_ row: UInt64) -> Bool {
        guard let id = hot.removeValue(forKey: row) else { return false }
        ids[id] = nil
        digest ^= mix(11, row, mix(id.bits))
        return true
    }

    private mutating func evict(_ through: UInt64, at lsn: UInt64) {
        for row in hot.keys where row <= through { remove(row, at: lsn) }
        for segment in segments where segment.first <= through {
            for row in segment.lsns where row <= through { remove(row, at: lsn) }
        }
    }

    private mutating func seal(_ segment: SimulatedSegment, _ mutant: Mutant?) {
        let range = segment.first...segment.last
        for row in hot.keys where range.contains(row) { _ = dropHot(row) }
        for (row, edit) in overlays where range.contains(row) && (edit.lsn <= segment.asOf || mutant == .sealinplace) {
            dropOverlay(row)
        }
        for (row, at) in tombstones where range.contains(row) && (at <= segment.asOf || mutant == .sealresurrects) {
            tombstones[row] = nil
            digest ^= mix(14, row, at)
        }
        segments.append(segment)
        digest ^= mix(15, segment.first, segment.last, UInt64(segment.crc))
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
        for segment in segments {
            guard let blob = store.blobs[segment.key], case .segment(let sealed) = blob.content else { return nil }
            for row in sealed where tombstones[row.lsn] == nil {
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
