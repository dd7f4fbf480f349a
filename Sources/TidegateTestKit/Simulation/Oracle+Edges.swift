internal import TidegateCore

/// What edges and readers were told, held against what is committed.
extension Oracle {
    func acknowledged(
        _ id: RecordID, _ uid: GatewayUID, _ stream: StreamID, _ sequence: UInt64, _ verdict: RecordVerdict
    ) {
        let gateway = gateways[uid]
        // An optional of an optional: no use at all, a skip, or a row.
        switch verdict {
        case .duplicate: world.cover(.duplicate)
        case .gone: world.cover(.gone)
        default: break
        }
        let use: RecordID?? = gateway?.use(of: stream, sequence) ?? .none
        switch verdict {
        case .committed:
            guard case .some(.some(id)) = use else {
                return world.violate("I5", "row \(id.bits) is acknowledged, but not in the log")
            }
            ackedN[uid] = max(ackedN[uid] ?? 0, gateway?.n(of: id) ?? 0)
        case .duplicate:
            guard let used = use, used == nil || used == id else {
                // Below the watermark nobody knows whose number it is: the clone's row is lost (A11, a known gap).
                guard world.scenario != .clonedOutbox else { return world.cover(.forkedAway) }
                return world.violate("I5", "row \(id.bits) is acknowledged as a duplicate, but not in the log")
            }
        case .permanent:
            guard case .some(.none) = use else {
                return world.violate("I6", "row \(id.bits) is refused for good, but no skip is in the log")
            }
        case .gone:
            guard world.tenants.isEnded(uid) else {
                return world.violate("I13", "row \(id.bits) is given up, but gateway \(world.short(uid)) is there")
            }
        case .later, .expected, .moved, .fork: return
        }
    }

    /// The outbox forgets the row.
    func settled(_ id: RecordID, _ uid: GatewayUID, _ stream: StreamID, _ sequence: UInt64) {
        acked.insert(id)
        guard !world.tenants.isEnded(uid) else { return }
        if world.scenario == .clonedOutbox { return }
        let use: RecordID?? = gateways[uid]?.use(of: stream, sequence) ?? .none
        guard let used = use, used == nil || used == id else {
            return world.violate("I5", "row \(id.bits) is forgotten by its outbox, but not in the log")
        }
    }

    func forked(_ node: Int) {
        guard world.scenario != .clonedOutbox else { return world.cover(.fork) }
        world.violate("I6", "edge \(node) is told that another outbox uses its stream, and there is none (A11)")
    }

    /// A committed object that nobody can find. Only a store that lost it may cause this (A8).
    func hole(_ slot: Int, _ n: LogIndex) {
        guard let lost, lost.slot == slot, lost.n == n else {
            return world.violate("I3", "object \(n) of slot \(slot) is called lost, and is not")
        }
        world.cover(.hole)
        world.note("HOLE \(n) of slot \(slot)")
    }

    /// What an owner starts with: whatever is missing, it says so. From there on its rows are others than the log's, and
    /// the run has shown what it was for.
    func recovered(_ slot: Int, _ claimed: ClaimCore.Claimed, found: Set<LogIndex>) {
        guard let lost, lost.slot == slot, !found.contains(lost.n), lost.n > claimed.base?.n ?? 0,
            lost.n <= claimed.claim.head?.n ?? 0,
            world.objects.blobs[lost.key] == nil
        else { return }
        guard claimed.holes == [lost.n] else {
            return world.violate("I3", "object \(lost.n) of slot \(slot) is lost, and its owner says nothing (A8)")
        }
        world.isOver = true
    }

    /// Nothing is left of the gateway (I13). A put that was under way when the gateway went may still arrive, also after the
    /// purge: such keys are a known gap, not counted here.
    func purged(_ uid: GatewayUID) {
        guard world.tenants.isEnded(uid) else {
            return world.violate("I13", "gateway \(world.short(uid)) is purged, but not gone")
        }
        world.cover(.purge)
        let prefix = world.keys.databases(uid)
        let left = world.objects.blobs.keys.filter { $0.hasPrefix(prefix) }.sorted()
        if let key = left.first(where: { !world.objects.isLate($0, since: world.tenants.goneAt[uid] ?? 0) }) {
            world.violate("I13", "\(key) is left of a purged gateway")
        }
    }

    func cover(_ entry: SimulatedEntry, _ uid: GatewayUID) {
        switch entry {
        case .record: break
        case .skip: world.cover(.skip)
        case .edit(let id, _): if gateways[uid]?.isCommitted(id) != true { world.cover(.orphanEdit) }
        case .editRow: break
        case .delete: world.cover(.rowsDeleted)
        case .evict: world.cover(.eviction)
        case .sealed(let segment):
            world.cover(.seal)
            if gateways[uid]?.lastEdit ?? 0 > segment.asOf { world.cover(.editDuringSeal) }
            if gateways[uid]?.lastDelete ?? 0 > segment.asOf { world.cover(.deleteDuringSeal) }
        case .compacted(_, let segment):
            world.cover(.compaction)
            guard let segment else { return }
            if gateways[uid]?.lastEdit ?? 0 > segment.asOf { world.cover(.editDuringCompaction) }
            if gateways[uid]?.lastDelete ?? 0 > segment.asOf { world.cover(.deleteDuringCompaction) }
        case .collected: break
        case .gatewayDeleted: world.cover(.gatewayEnded)
        }
    }

    // MARK: - Readers

    /// An answer that a reader takes: complete as of its position (I7, I9, I14).
    func read(_ uid: GatewayUID, _ answer: SlotShell.Answer, atLeast n: LogIndex?) {
        let slot = world.slot(of: uid)
        guard answer.position.n <= slots[slot].headN else {
            return world.violate(
                "I7", "a reader of slot \(slot) saw \(answer.position.n), committed is \(slots[slot].headN)")
        }
        if !world.isForked, answer.digest != gateways[uid]?.digest(at: answer.position.n) ?? 0 {
            world.violate(
                "I14", "rows of gateway \(world.short(uid)) at \(answer.position.n) are not what the log says")
        }
        if let n, answer.position.n < n {
            world.violate(
                "I8",
                "a strong read of gateway \(world.short(uid)) answers \(answer.position.n); \(n) was acknowledged (A14)"
            )
        }
        reads += 1
    }
}
