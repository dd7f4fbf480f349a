internal import TidegateCore

/// What is true, by the stores alone: follows every change of the coordination store, applies what was committed to the
/// plainest model of a gateway, and names the invariant (protocol §11) that something breaks.
final class Oracle {
    struct SlotRecord {
        var owner: SlotOwner?
        var ownerRevision: Revision = 0
        var incarnations: [Epoch: String] = [:]
        var headN: LogIndex = 0
        var blocks: [LogBlock] = []
        var snapshot = SlotSnapshot(lineage: [])
        /// Keys that recovery from either retained snapshot needs.
        var snapshotKeys: Set<String> = []
    }

    unowned let world: World
    private(set) var slots: [SlotRecord]
    var gateways: [GatewayUID: FlatGateway] = [:]
    /// Databases that keep every rule, applied as entries are committed: which objects the log needs.
    private var references: [GatewayUID: GatewayImage] = [:]
    /// Objects that may not go, and why.
    private var required: [String: String] = [:]
    private var slotOfKey: [String: Int] = [:]
    /// An object that the store lost.
    struct Lost {
        let slot: Int
        let n: LogIndex
        let key: String
    }
    var lost: Lost?
    private(set) var commits = 0
    /// Epoch that committed a gateway's end.
    private(set) var endedBy: [GatewayUID: Epoch] = [:]
    var acked: Set<RecordID> = []
    /// Newest object of which a row was acknowledged.
    var ackedN: [GatewayUID: LogIndex] = [:]
    var holes: Set<[UInt64]> = []
    var reads = 0

    init(_ world: World) {
        self.world = world
        slots = Array(repeating: SlotRecord(), count: world.settings.slots)
        for slot in 0..<world.settings.slots {
            let id = world.slotID(slot)
            for key in [world.keys.owner(id), world.keys.head(id), world.keys.snapshot(id)] { slotOfKey[key] = slot }
        }
    }

    func block(_ slot: Int, _ n: LogIndex) -> LogBlock? {
        slots[slot].headN >= n && n > 0 ? slots[slot].blocks[Int(n) - 1] : nil
    }

    // MARK: - The coordination store

    func changed(_ batch: WatchBatch) {
        var accounts: Set<String> = []
        for change in batch.changes {
            switch change {
            case .put(let entry):
                if let slot = slotOfKey[entry.key] {
                    slotChanged(slot, entry)
                } else {
                    world.tenants.changed(entry, &accounts)
                }
            case .delete(let key, _): world.tenants.removed(key, &accounts)
            }
        }
        for account in accounts { world.tenants.check(account) }
    }

    private func slotChanged(_ slot: Int, _ entry: KeyValue) {
        let id = world.slotID(slot)
        if entry.key == world.keys.owner(id) {
            ownerChanged(slot, entry)
        } else if entry.key == world.keys.head(id) {
            headChanged(slot, entry)
        } else {
            snapshotChanged(slot, entry)
        }
    }

    private func ownerChanged(_ slot: Int, _ entry: KeyValue) {
        guard let owner: SlotOwner = try? DocumentCoding.decode(from: entry) else {
            return world.violate("I1", "own of slot \(slot) is not readable")
        }
        let old = slots[slot].owner
        if owner.state == .owned {
            if let old, owner.epoch <= old.epoch {
                world.violate("I1", "epoch \(old.epoch) → \(owner.epoch) of slot \(slot)")
            }
            if let known = slots[slot].incarnations[owner.epoch], known != owner.inc {
                world.violate("I1", "epoch \(owner.epoch) of slot \(slot) has two owners")
            }
            slots[slot].incarnations[owner.epoch] = owner.inc
            if let old, old.state == .owned, let inc = old.inc {
                let lives = world.coordination.model.entry(world.keys.incarnationPrefix + inc) != nil
                world.cover(lives ? .robbery : .takeOver)
            }
        } else if owner.epoch != old?.epoch {
            world.violate("I1", "slot \(slot) was released under another epoch")
        } else {
            world.cover(.handOff)
        }
        slots[slot].owner = owner
        slots[slot].ownerRevision = entry.modRevision
    }

    private func headChanged(_ slot: Int, _ entry: KeyValue) {
        guard let head: SlotHead = try? DocumentCoding.decode(from: entry) else {
            return world.violate("I2", "head of slot \(slot) is not readable")
        }
        let record = slots[slot]
        guard head.n == record.headN + 1 else {
            return world.violate("I2", "head of slot \(slot) moved from \(record.headN) to \(head.n)")
        }
        guard let owner = record.owner, owner.state == .owned, owner.epoch == head.epoch else {
            return world.violate(
                "I2", "object \(head.n) of slot \(slot) committed by epoch \(head.epoch), which does not own it")
        }
        let key = world.logKey(slot, head.epoch, head.n)
        guard let blob = world.objects.blobs[key], case .log(let block) = blob.content, block.crc == head.crc else {
            return world.violate("I3", "object \(head.n) of slot \(slot) committed, but not stored")
        }
        guard head.prevCrc == (record.blocks.last?.crc ?? 0), block.previousCRC == head.prevCrc else {
            return world.violate("I3", "object \(head.n) of slot \(slot) does not continue its predecessor")
        }
        slots[slot].headN = head.n
        slots[slot].blocks.append(block)
        required[key] = "log object \(head.n) of slot \(slot)"
        commits += 1
        world.note("COMMITTED slot \(slot) n \(head.n) epoch \(head.epoch) with \(block.count) entries")
        for section in block.sections { commit(section, n: head.n) }
    }

    private func commit(_ section: LogBlock.Section, n: LogIndex) {
        let uid = section.gateway
        let isGone = world.tenants.gone.contains(uid)
        for (lsn, entry) in section.entries {
            if isGone {
                // A second deletion entry changes nothing.
                if case .gatewayDeleted = entry { continue }
                world.violate("I13", "an entry of gateway \(world.short(uid)) committed after it was gone")
            }
            let entry = refer(entry, uid, lsn)
            if let broken = gateways[uid, default: FlatGateway(isForked: world.scenario == .clonedOutbox)].apply(
                entry, lsn: lsn)
            {
                world.violate(broken.0, "\(broken.1) (gateway \(world.short(uid)), n \(n))")
            }
            cover(entry, uid)
            if case .gatewayDeleted = entry {
                endedBy[uid] = endedBy[uid] ?? slots[world.slot(of: uid)].owner?.epoch
            }
            if case .record(_, _, let id) = entry, world.rowGateway[id] != uid {
                world.violate("I13", "row \(id.bits) of another gateway is in the log of \(world.short(uid)) (A10)")
            }
        }
        gateways[uid]?.remember(n)
        let live = gateways[uid]?.live ?? 0
        let allowance = world.tenants.allowances[uid] ?? 0
        if live > allowance {
            world.violate("I10", "gateway \(world.short(uid)) has \(live) rows and an allowance of \(allowance)")
        }
    }

    private func snapshotChanged(_ slot: Int, _ entry: KeyValue) {
        guard let snapshot: SlotSnapshot = try? DocumentCoding.decode(from: entry) else {
            return world.violate("I3", "snap of slot \(slot) is not readable")
        }
        let old = slots[slot].snapshot
        if let new = snapshot.cur?.n ?? old.cur.map({ _ in 0 }), new < old.cur?.n ?? 0 {
            world.violate("I9", "the snapshot of slot \(slot) went back from \(old.cur?.n ?? 0) to \(new)")
        }
        slots[slot].snapshot = snapshot
        let headN = slots[slot].headN
        let first = (snapshot.prev?.n ?? 0) + 1
        if first <= headN {
            for n in first...headN where snapshot.epoch(of: n) != slots[slot].blocks[Int(n) - 1].epoch {
                if world.mutant == .noepochkey { break }
                return world.violate("I3", "the lineage of slot \(slot) does not lead to object \(n)")
            }
        }
        let pointers = [snapshot.cur, snapshot.prev].compactMap { $0 }
        if pointers == [old.cur, old.prev].compactMap({ $0 }) { return }
        world.cover(.snapshot)
        world.note("SNAPSHOT slot \(slot) cur \(snapshot.cur?.n ?? 0) prev \(snapshot.prev?.n ?? 0)")
        var keys: Set<String> = []
        for pointer in pointers { check(slot, pointer, &keys) }
        for key in slots[slot].snapshotKeys { required[key] = nil }
        slots[slot].snapshotKeys = keys
        for key in keys { required[key] = "a retained snapshot of slot \(slot)" }
        for (uid, image) in references where world.slot(of: uid) == slot {
            for key in image.segmentKeys { required[key] = "segment of the log" }
        }
        let oldFirst = (old.prev?.n ?? 0) + 1
        if oldFirst < first {
            for n in oldFirst..<first {
                required[world.logKey(slot, slots[slot].blocks[Int(n) - 1].epoch, n)] = nil
            }
        }
    }

    /// A retained snapshot is whole and says what the log said up to its `n` (I9, I12).
    private func check(_ slot: Int, _ pointer: SnapshotPointer, _ keys: inout Set<String>) {
        guard pointer.n <= slots[slot].headN else {
            return world.violate(
                "I9", "a snapshot at \(pointer.n) of slot \(slot), whose log ends at \(slots[slot].headN)")
        }
        guard let blob = world.objects.blobs[pointer.manifest], blob.crc == pointer.crc,
            case .manifest(let manifest) = blob.content
        else { return world.violate("I12", "manifest \(pointer.manifest) is missing") }
        keys.insert(pointer.manifest)
        for gateway in manifest.gateways {
            guard let blob = world.objects.blobs[gateway.key], case .database(let image) = blob.content else {
                return world.violate("I12", "database \(gateway.key) is missing")
            }
            keys.insert(gateway.key)
            keys.formUnion(image.segmentKeys)
            guard let rows = image.rows(world.objects) else {
                return world.violate("I12", "a segment of database \(gateway.key) is missing")
            }
            let expected = gateways[gateway.uid]?.digest(at: pointer.n) ?? 0
            if !world.isForked, GatewayImage.digest(of: rows) != expected {
                world.violate(
                    "I9", "snapshot \(pointer.n) of gateway \(world.short(gateway.uid)) is not what the log says")
            }
        }
        let named = Set(manifest.gateways.map(\.uid))
        for block in slots[slot].blocks.prefix(Int(pointer.n)) {
            for section in block.sections
            where !named.contains(section.gateway) && gateways[section.gateway]?.isDeleted != true {
                world.violate(
                    "I9", "snapshot \(pointer.n) of slot \(slot) leaves gateway \(world.short(section.gateway)) out")
            }
        }
    }

    // MARK: - The object store

    func deleted(_ key: String) {
        if key.contains("/log/") { world.cover(.logCollected) }
        if key.contains("/snap/") { world.cover(.snapshotCollected) }
        if let why = required[key] { world.violate("I12", "\(key) was deleted: \(why)") }
    }

    /// Applies the entry to a database that keeps every rule, and follows which segments the log needs.
    /// - Returns: the entry as the plainest model understands it, which knows no segments.
    private func refer(_ entry: SimulatedEntry, _ uid: GatewayUID, _ lsn: UInt64) -> SimulatedEntry {
        var image = references[uid] ?? GatewayImage()
        guard !image.isDeleted else { return entry }
        let before = image.segmentKeys
        let plain: SimulatedEntry
        if case .evict(let through) = entry {
            plain = .evict(through: image.evictionEnd(through))
        } else {
            plain = entry
        }
        image.apply(entry, lsn, nil)
        references[uid] = image
        let after = image.segmentKeys
        guard before != after else {
            if case .sealed = entry { world.cover(.sealRefused) }
            return plain
        }
        let inSnapshots = slots[world.slot(of: uid)].snapshotKeys
        for key in before.subtracting(after) where !inSnapshots.contains(key) { required[key] = nil }
        for key in after.subtracting(before).sorted() {
            if world.objects.blobs[key] == nil { world.violate("I12", "\(key) is published, but not there") }
            required[key] = "segment of the log"
        }
        if case .delete = entry { world.cover(.segmentEmptied) }
        return plain
    }

    // MARK: - Owners

    /// A node's databases hold object `n` now.
    func applied(_ block: LogBlock, by node: SimulatedNode, _ images: [GatewayUID: GatewayImage]) {
        let record = slots[block.slot]
        guard block.n <= record.headN,
            record.blocks[Int(block.n) - 1] === block || record.blocks[Int(block.n) - 1].crc == block.crc
        else {
            return world.violate(
                "I7", "node \(node.index) shows object \(block.n) of slot \(block.slot), which is not committed")
        }
        for section in block.sections {
            guard let image = images[section.gateway] else { continue }
            check(image, section, block.n, by: node)
            if let other = gateways[section.gateway]?.replica(at: block.n, image.digest, image.live) {
                world.violate(
                    "I9", "gateway \(world.short(section.gateway)) at \(block.n) on node \(node.index): \(other)")
            }
        }
    }

    /// Every committed row that is not deleted is in one place, hot or sealed, and the totals agree.
    private func check(_ image: GatewayImage, _ section: LogBlock.Section, _ n: LogIndex, by node: SimulatedNode) {
        let movesRows = section.entries.contains { _, entry in
            switch entry {
            case .sealed, .compacted, .evict, .delete: true
            default: false
            }
        }
        guard movesRows, !image.isDeleted, !world.isForked else { return }
        var rows = Set(image.hot.keys)
        var count = rows.count
        for entry in image.sealed {
            let live = entry.segment.lsns.subtracting(entry.tombstones)
            rows.formUnion(live)
            count += live.count
        }
        guard count == rows.count, count == image.live, count == gateways[section.gateway]?.live(at: n) ?? count else {
            return world.violate(
                "I9",
                "node \(node.index) holds \(rows.count) rows of gateway \(world.short(section.gateway)) at \(n) in "
                    + "\(count) places, counts \(image.live)")
        }
    }
}
