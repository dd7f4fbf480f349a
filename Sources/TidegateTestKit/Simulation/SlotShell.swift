internal import TidegateCore

/// The owner of one slot in one process: the real cores, whose effects it carries out in the simulated world. What it
/// decides itself is what `SlotHost` decides; mutants live here.
final class SlotShell {
    enum Phase { case claiming, serving, releasing, ended }

    let slot: Int
    let id: SlotID
    let node: SimulatedNode
    unowned let world: World
    private(set) var phase = Phase.claiming
    var claim: ClaimCore
    var core: SlotCore?
    var snapshots: SnapshotCore?
    var collector: CollectorCore?
    var claimed: ClaimCore.Claimed?
    var fence: Revision = 0
    private var hasHole = false
    private var found: Set<LogIndex> = []
    var images: [GatewayUID: GatewayImage] = [:]
    var rooms: [GatewayUID: Room] = [:]
    var open = OpenBlock()
    var sealed: [LogIndex: SealedBlock] = [:]
    var lastSealed: LogIndex = 0
    var lastCRC: UInt32 = 0
    var fetched: [LogIndex: LogBlock] = [:]
    var pinned: (n: LogIndex, crc: UInt32, images: [GatewayUID: GatewayImage])?
    var uploads: [GatewayUID: SlotManifest.Gateway] = [:]
    /// Segments that are written and not yet published.
    var pendingKeys: Set<String> = []
    var pendingUploads: [SlotManifest.Gateway] = []
    var reclaimAfter = 0

    init(_ slot: Int, _ node: SimulatedNode) {
        self.slot = slot
        self.node = node
        world = node.world
        id = node.world.slotID(slot)
        claim = ClaimCore(
            id, keys: node.world.keys, incarnation: node.incarnation, nowMs: node.wallMs,
            settings: node.world.settings.slot)
    }

    var epoch: Epoch? { core?.epoch ?? claimed?.claim.epoch }
    var isServing: Bool { phase == .serving && core?.isFenced == false }
    var name: String { "slot \(slot) of node \(node.index) epoch \(epoch ?? 0)" }

    func start() {
        world.note("node \(node.index) claims slot \(slot)")
        onClaim(.start)
    }

    private func begin(_ claimed: ClaimCore.Claimed) {
        if claimed.replayed > 0 { world.cover(claimed.base == nil ? .replayFromLog : .replayFromSnapshot) }
        world.note("\(name): ready, replayed \(claimed.replayed), head \(claimed.claim.head?.n ?? 0)")
    }

    /// Nothing in flight will be answered for by this epoch.
    func end(_ why: String) {
        guard phase != .ended else { return }
        world.note("\(name) ends: \(why)")
        phase = .ended
        node.drop(self)
        let blocks = sealed.values.map(\.content) + [open]
        (sealed, open) = ([:], OpenBlock())
        for block in blocks.sorted(by: { $0.order < $1.order }) {
            for awaited in block.awaited { awaited.delivery.settle(awaited.index, as: .moved) }
            for reply in block.replies { reply(false, 0) }
        }
        for uid in rooms.keys.sorted() { rooms[uid]?.release(as: .moved) }
    }

    // MARK: - Claim

    func onClaim(_ event: ClaimCore.Event) {
        guard phase == .claiming else { return }
        for effect in claim.handle(event, at: node.local) {
            if node.diesHere() { return }
            carryOut(effect)
        }
    }

    private func carryOut(_ effect: ClaimCore.Effect) {
        switch effect {
        case .read(let delay):
            node.after(delay) { [self] in
                world.coordination.commit(SlotClaim.reading(id, keys: world.keys), from: node) { [self] answer in
                    if case .outcome(let outcome) = answer {
                        onClaim(.read(outcome.reads))
                    } else {
                        onClaim(.readFailed)
                    }
                }
            }
        case .claim(let transaction):
            world.coordination.commit(mutated(transaction), from: node) { [self] answer in
                if case .outcome(let outcome) = answer, outcome.succeeded {
                    onClaim(.claimed(outcome.revision))
                } else {
                    onClaim(.notClaimed)
                }
            }
        case .readOwner(let delay):
            node.after(delay) { [self] in
                let read = CoordinationTransaction(read: [world.keys.owner(id)])
                world.coordination.commit(read, from: node) { [self] answer in
                    if case .outcome(let outcome) = answer {
                        onClaim(.owner(outcome.reads[0]))
                    } else {
                        onClaim(.ownerFailed)
                    }
                }
            }
        case .loadManifest(let pointer, let delay): node.after(delay) { self.load(pointer) }
        case .fetch(let n, let step, let delay): node.after(delay) { self.fetch(n, step) }
        case .apply(let n, _, let delay): node.after(delay) { self.replay(n) }
        case .hole(let n):
            hasHole = true
            world.oracle.hole(slot, n)
        case .ready(let claimed): serve(claimed)
        case .failed(let error):
            guard error.code == .notOwner else {
                return world.violate("I12", "\(name) cannot be recovered: \(error.message)")
            }
            world.cover(.robbedWhileRecovering)
            end("robbed while it recovered")
        }
    }

    private func mutated(_ transaction: CoordinationTransaction) -> CoordinationTransaction {
        var mutated = transaction
        if world.mutant == .leasedrecord {
            mutated.then = transaction.then.map { operation in
                guard case .put(let key, let value, _) = operation, key == world.keys.owner(id) else {
                    return operation
                }
                return .put(key: key, value: value, lease: node.lease)
            }
        }
        guard world.mutant == .nolineage else { return mutated }
        for (index, operation) in transaction.then.enumerated() {
            guard case .put(let key, let value, _) = operation, key == world.keys.snapshot(id),
                var snapshot: SlotSnapshot = try? DocumentCoding.decode(
                    from: KeyValue(key: key, value: value, createRevision: 1, modRevision: 1)),
                let last = snapshot.lineage.last
            else { continue }
            snapshot.lineage = [LineageStep(epoch: last.epoch, firstN: 1)]
            if let value = try? DocumentCoding.encode(snapshot) { mutated.then[index] = .put(key: key, value: value) }
        }
        return mutated
    }

    private func load(_ pointer: SnapshotPointer) {
        world.objects.get(pointer.manifest, from: node) { [self] answer in
            switch answer {
            case .failed: onClaim(.manifestFailed)
            case .absent: onClaim(.manifestLost)
            case .found(let blob):
                guard blob.crc == pointer.crc, case .manifest(let manifest) = blob.content else {
                    return onClaim(.manifestLost)
                }
                load(manifest, manifest.gateways[...])
            }
        }
    }

    private func load(_ manifest: SlotManifest, _ rest: ArraySlice<SlotManifest.Gateway>) {
        guard let next = rest.first else {
            lastCRC = manifest.logCRC
            return onClaim(.manifest(logCRC: manifest.logCRC))
        }
        world.objects.get(next.key, from: node) { [self] answer in
            switch answer {
            case .failed: onClaim(.manifestFailed)
            case .absent: onClaim(.manifestLost)
            case .found(let blob):
                guard blob.crc == next.crc, case .database(let image) = blob.content else {
                    return onClaim(.manifestLost)
                }
                images[next.uid] = image
                uploads[next.uid] = next
                load(manifest, rest.dropFirst())
            }
        }
    }

    private func fetch(_ n: LogIndex, _ lineage: LineageStep) {
        world.objects.get(world.logKey(slot, lineage.epoch, n), from: node) { [self] answer in
            switch answer {
            case .failed: onClaim(.fetchFailed(n))
            case .absent:
                if world.mutant == .skiphole, let block = world.oracle.block(slot, n) {
                    // As if there had been an object without entries.
                    fetched[n] = LogBlock(slot: slot, epoch: lineage.epoch, n: n, previousCRC: 0, sections: [])
                    return onClaim(.fetched(n, crc: block.crc, previousCRC: block.previousCRC))
                }
                onClaim(.lost(n))
            case .found(let blob):
                guard case .log(let block) = blob.content, block.n == n else { return onClaim(.lost(n)) }
                fetched[n] = block
                found.insert(n)
                onClaim(.fetched(n, crc: block.crc, previousCRC: block.previousCRC))
            }
        }
    }

    private func replay(_ n: LogIndex) {
        guard phase == .claiming, let block = fetched[n] else { return }
        if world.happens(world.faults.applyFails) { return onClaim(.applyFailed(n)) }
        world.after(500, of: node) { [self] in
            guard phase == .claiming else { return }
            apply(block)
            fetched[n] = nil
            onClaim(.applied(n))
        }
    }

    func apply(_ block: LogBlock) {
        for section in block.sections {
            images[section.gateway, default: GatewayImage()].apply(block.n, section.entries, world.mutant)
        }
        lastCRC = block.crc
        // Behind a hole the databases are others than the log says, and their owner says so.
        if hasHole || (world.mutant == .skiphole && block.sections.isEmpty) { return }
        world.oracle.applied(block, by: node, images)
    }

    private func serve(_ claimed: ClaimCore.Claimed) {
        self.claimed = claimed
        fence = claimed.fence
        phase = .serving
        fetched = [:]
        let settings = world.settings.slot
        core = SlotCore(
            epoch: claimed.claim.epoch, ownRevision: claimed.fence, head: claimed.claim.head,
            headRevision: claimed.claim.headRevision, settings: settings)
        snapshots = SnapshotCore(claimed, settings: settings, at: node.local)
        collector = CollectorCore(id, keys: world.keys, claimed, settings: settings)
        lastCRC = claimed.claim.head?.crc ?? 0
        begin(claimed)
        world.oracle.recovered(slot, claimed, found: found)
        onSnapshot(.tick)
        onCollector(.start)
        for uid in images.keys.sorted() where images[uid]?.isDeleted == true {
            onCollector(.gatewayEnded(uid, claimed.claim.head?.n ?? 0))
        }
    }

    // MARK: - Release

    /// Leaves the slot to others: what is in flight is finished, a snapshot taken, then `own` is free.
    func handOff() {
        guard isServing else { return }
        world.note("\(name): hand-off")
        phase = .releasing
        let uids = rooms.keys.sorted()
        for uid in uids { rooms[uid]?.release(as: .later(after: .milliseconds(100), reason: .recovering)) }
        onSlot(.drain)
        onSnapshot(.force)
        release(after: 0)
    }

    private func release(after delay: Int) {
        world.after(delay, of: node) { [self] in
            guard phase == .releasing else { return }
            guard core?.isFenced == false else { return end("fenced while leaving") }
            guard core?.isIdle == true, open.isEmpty, sealed.isEmpty, snapshots?.isClean ?? true else {
                onSlot(.tick)
                onSnapshot(.tick)
                return release(after: 50_000)
            }
            guard
                let free = try? SlotClaim.release(
                    id, keys: world.keys, epoch: core?.epoch ?? 0, fence: fence, hint: nil, minReader: nil)
            else { return }
            world.coordination.commit(free, from: node) { [self] answer in
                if case .outcome = answer { return end("released") }
                release(after: 200_000)
            }
        }
    }
}
