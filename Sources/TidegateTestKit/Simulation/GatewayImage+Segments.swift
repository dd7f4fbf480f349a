internal import TidegateCore

/// What entries about segments do, after `EntryApplication+Segments`: an entry that does not fit what is there changes
/// nothing and makes its objects garbage.
extension GatewayImage {
    /// Keys of all objects of segments that the database names.
    var segmentKeys: Set<String> { Set(sealed.flatMap(\.segment.ownKeys)) }

    /// What decides about seals and rewriting.
    var sealingState: SealingState {
        var state = SealingState()
        state.hotRows = Int64(hot.count)
        state.segments = sealed.map { entry in
            let edit = overlays.filter { entry.segment.lsns.contains($0.key) }.map(\.value.lsn).max()
            return SealingState.Segment(
                key: entry.segment.key, rows: Int64(entry.segment.lsns.count), live: Int64(entry.live),
                change: edit ?? (entry.tombstones.isEmpty ? nil : 1))
        }
        return state
    }

    /// Which segment holds the row, if it lives.
    func place(ofSealed row: UInt64) -> Int? {
        sealed.firstIndex { $0.segment.lsns.contains(row) && !$0.tombstones.contains(row) }
    }

    mutating func seal(_ segment: SimulatedSegment, at lsn: UInt64, _ mutant: Mutant?) {
        let range = segment.first...segment.last
        let there = Set(hot.keys.filter { range.contains($0) })
        let missing = segment.lsns.subtracting(there)
        guard segment.first > sealed.last?.segment.last ?? 0, segment.asOf < lsn, there.isSubset(of: segment.lsns),
            !hot.keys.contains(where: { $0 < segment.first }), missing.count < segment.lsns.count
        else { return discard(segment.ownKeys, at: lsn) }
        for row in there { _ = dropHot(row) }
        insert(
            segment, tombstones: mutant == .sealresurrects ? [] : missing, foldsAll: mutant == .sealinplace)
    }

    mutating func compact(_ replaced: [String], _ segment: SimulatedSegment?, at lsn: UInt64, _ mutant: Mutant?) {
        let made = segment?.ownKeys ?? []
        let old = sealed.filter { replaced.contains($0.segment.key) }
        let rows = old.reduce(into: Set<UInt64>()) { $0.formUnion($1.segment.lsns) }
        let buried = old.reduce(into: Set<UInt64>()) { $0.formUnion($1.tombstones) }
        let kept = segment?.lsns ?? []
        // What it does not hold must be deleted rows, or rows would be lost.
        guard old.count == replaced.count, segment?.asOf ?? 0 < lsn, kept.isSubset(of: rows),
            rows.subtracting(kept).isSubset(of: buried)
        else { return discard(made, at: lsn) }
        for key in replaced {
            guard let index = sealed.firstIndex(where: { $0.segment.key == key }) else { continue }
            dropSegment(index, keepingOverlays: true, at: lsn)
        }
        guard let segment else { return }
        let graves = mutant == .compactresurrects ? [] : buried.intersection(kept)
        guard graves.count < kept.count else { return discard(made, at: lsn) }
        insert(segment, tombstones: graves, foldsAll: mutant == .compactforgets)
    }

    private mutating func insert(_ segment: SimulatedSegment, tombstones: Set<UInt64>, foldsAll: Bool) {
        for (row, edit) in overlays where segment.lsns.contains(row) && (edit.lsn <= segment.asOf || foldsAll) {
            dropOverlay(row)
        }
        let index = sealed.firstIndex { $0.segment.first > segment.first } ?? sealed.count
        sealed.insert(Sealed(segment: segment, tombstones: tombstones), at: index)
        digest ^= Self.digest(of: segment)
        for row in tombstones { digest ^= mix(14, row) }
    }

    mutating func bury(_ row: UInt64, at lsn: UInt64) {
        guard let index = place(ofSealed: row) else { return }
        sealed[index].tombstones.insert(row)
        digest ^= mix(14, row)
        dropOverlay(row)
        live -= 1
        if sealed[index].live == 0 { dropSegment(index, at: lsn) }
    }

    mutating func dropSegment(_ index: Int, keepingOverlays: Bool = false, at lsn: UInt64) {
        let entry = sealed.remove(at: index)
        digest ^= Self.digest(of: entry.segment)
        for row in entry.tombstones { digest ^= mix(14, row) }
        if !keepingOverlays { for row in entry.segment.lsns { dropOverlay(row) } }
        discard(entry.segment.ownKeys, at: lsn)
    }

    private mutating func discard(_ keys: [String], at lsn: UInt64) {
        for key in keys where garbage[key] == nil {
            garbage[key] = LSN(rawValue: lsn).n
            digest ^= mix(16, mix(key), LSN(rawValue: lsn).n)
        }
    }

    mutating func forget(_ key: String) {
        guard let n = garbage.removeValue(forKey: key) else { return }
        digest ^= mix(16, mix(key), n)
    }

    private static func digest(of segment: SimulatedSegment) -> UInt64 {
        mix(15, segment.first, segment.last, UInt64(segment.crc), mix(segment.key))
    }

    /// Up to where to evict for `count` rows to go: sealed rows go a segment at a time.
    func oldest(_ count: Int) -> UInt64? {
        var left = min(count, live)
        var place: UInt64?
        for entry in sealed where left > 0 {
            left -= entry.live
            place = entry.segment.last
        }
        guard left > 0 else { return place }
        return hot.keys.sorted().prefix(left).last ?? place
    }
}
