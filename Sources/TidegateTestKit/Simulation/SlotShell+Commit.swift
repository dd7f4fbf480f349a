internal import TidegateCore

/// Entries on their way into one log object.
struct OpenBlock {
    struct Awaited {
        let delivery: Delivery
        let index: Int
    }
    private(set) var sections: [(gateway: GatewayUID, entries: [SimulatedEntry])] = []
    var awaited: [Awaited] = []
    var replies: [(Bool, LogIndex) -> Void] = []
    var order: LogIndex = .max
    var isEmpty: Bool { sections.isEmpty }

    mutating func add(_ entry: SimulatedEntry, to uid: GatewayUID) {
        if let place = sections.firstIndex(where: { $0.gateway == uid }) {
            sections[place].entries.append(entry)
        } else {
            sections.append((uid, [entry]))
        }
    }

    mutating func merge(_ other: OpenBlock) {
        for (uid, entries) in other.sections { for entry in entries { add(entry, to: uid) } }
        awaited += other.awaited
        replies += other.replies
    }
}

/// An object whose content is frozen.
struct SealedBlock {
    var content: OpenBlock
    var block: LogBlock
}

/// The way of an entry: open object, store, head, databases, answer.
extension SlotShell {
    func add(_ entry: SimulatedEntry, to uid: GatewayUID) {
        open.add(entry, to: uid)
        onSlot(.added(bytes: 64))
    }

    func onSlot(_ event: SlotCore.Event) {
        guard phase == .serving || phase == .releasing, var core else { return }
        if world.mutant == .noread, case .notCommitted(let n) = event, !open.isEmpty, var old = sealed[n] {
            old.content.merge(open)
            open = OpenBlock()
            old.block = freeze(old.content, n, old.block.previousCRC)
            sealed[n] = old
            world.objects.put(
                Blob(.log(old.block), crc: old.block.crc), at: world.logKey(slot, core.epoch, n), from: node
            ) { _ in }
        }
        let effects = core.handle(event, at: node.local)
        self.core = core
        for effect in effects {
            if node.diesHere() { return }
            guard phase == .serving || phase == .releasing else { return }
            carryOut(effect)
        }
    }

    private func carryOut(_ effect: SlotCore.Effect) {
        switch effect {
        case .seal(let n, let previousCRC): seal(n, previousCRC)
        case .put(let n, let delay): node.after(delay) { self.put(n) }
        case .commit(let head, let own, let revision): commit(head, own, revision)
        case .readBack(let delay): node.after(delay) { self.readBack() }
        case .apply(let n, let delay): node.after(delay) { self.applyCommitted(n) }
        case .pinned(let n): pinned(n)
        case .acknowledge(let n): acknowledge(n)
        case .wake(let time): node.after(time - node.local) { self.onSlot(.tick) }
        case .fenced:
            world.cover(.zombieFenced)
            end("fenced")
        }
    }

    private func freeze(_ content: OpenBlock, _ n: LogIndex, _ previousCRC: UInt32) -> LogBlock {
        LogBlock(slot: slot, epoch: core?.epoch ?? 0, n: n, previousCRC: previousCRC, sections: content.sections)
    }

    private func seal(_ n: LogIndex, _ previousCRC: UInt32) {
        var content = open
        content.order = n
        open = OpenBlock()
        let block = freeze(content, n, previousCRC)
        sealed[n] = SealedBlock(content: content, block: block)
        lastSealed = n
        onSlot(.sealed(n, length: block.count, crc: block.crc))
    }

    private func put(_ n: LogIndex) {
        guard let block = sealed[n]?.block else { return }
        let key = world.logKey(slot, block.epoch, n)
        world.objects.put(Blob(.log(block), crc: block.crc), at: key, from: node) { [self] answer in
            if answer == .stored, world.mutant == .ackstored, let sealed = sealed[n] {
                for awaited in sealed.content.awaited { awaited.delivery.settle(awaited.index) }
                self.sealed[n]?.content.awaited = []
            }
            onSlot(answer == .stored ? .stored(n) : .storeFailed(n))
        }
    }

    private func commit(_ head: SlotHead, _ own: Revision, _ revision: Revision) {
        guard let value = try? DocumentCoding.encode(head) else { return }
        var compare: [CoordinationTransaction.Comparison] = [
            .modRevision(key: world.keys.owner(id), equals: own),
            .modRevision(key: world.keys.head(id), equals: revision),
        ]
        if world.mutant == .incfence { compare[0] = .value(key: world.keys.incarnation(node.incarnation), equals: [1]) }
        let transaction = CoordinationTransaction(
            compare: compare, then: [.put(key: world.keys.head(id), value: value)])
        world.coordination.commit(transaction, from: node) { [self] answer in
            if case .outcome(let outcome) = answer, outcome.succeeded {
                if world.mutant == .ackunapplied { acknowledge(head.n, early: true) }
                onSlot(.committed(head.n, headRevision: outcome.revision))
            } else {
                onSlot(.notCommitted(head.n))
            }
        }
    }

    private func readBack() {
        let keys = world.keys
        let read = CoordinationTransaction(
            read: [keys.owner(id), keys.head(id), keys.incarnation(node.incarnation)])
        world.coordination.commit(read, from: node) { [self] answer in
            guard case .outcome(let outcome) = answer else { return onSlot(.readFailed) }
            var own = outcome.reads[0]?.modRevision ?? 0
            if world.mutant == .incfence, outcome.reads[2] != nil { own = fence }
            world.cover(.unclearCommit)
            let head: SlotHead? = outcome.reads[1].flatMap { try? DocumentCoding.decode(from: $0) }
            if own == fence, let head, head.n > core?.committedN ?? 0 { world.cover(.unclearCommitHappened) }
            onSlot(.read(ownRevision: own, head: head, headRevision: outcome.reads[1]?.modRevision ?? 0))
        }
    }

    private func applyCommitted(_ n: LogIndex) {
        guard let block = sealed[n]?.block else { return }
        if world.happens(world.faults.applyFails) { return onSlot(.applyFailed(n)) }
        world.after(world.between(200, 5_000), of: node) { [self] in
            guard phase == .serving || phase == .releasing, sealed[n] != nil else { return }
            apply(block)
            for section in block.sections { noteApplied(section, n) }
            onSlot(.applied(n))
            onSnapshot(.applied(n, bytes: 64 * block.count))
            for section in block.sections { if let room = rooms[section.gateway] { unpark(room) } }
        }
    }

    private func noteApplied(_ section: LogBlock.Section, _ n: LogIndex) {
        guard let room = rooms[section.gateway], let image = images[section.gateway] else { return }
        let rows = section.entries.count { $0.entry.isRow }
        room.admission.applied(rows: Int64(rows), live: Int64(image.live))
        for (_, entry) in section.entries {
            switch entry {
            case .evict: room.isEvicting = false
            case .gatewayDeleted:
                room.state = .gone
                finishDeletion(section.gateway)
                onCollector(.gatewayEnded(section.gateway, n))
            case .compacted(let replaced, _):
                let gone = replaced.filter { image.garbage[$0] != nil }
                if world.mutant == .gcreplaced, !gone.isEmpty {
                    world.objects.delete(gone + gone.map(CoordinationKeys.pack(of:)), from: node) { _ in }
                }
            case .record, .skip, .edit, .editRow, .delete, .sealed, .collected: break
            }
        }
    }

    private func acknowledge(_ n: LogIndex, early: Bool = false) {
        guard let object = sealed[n] else { return }
        if early { sealed[n]?.content.awaited = [] } else { sealed[n] = nil }
        // The output gate: whoever is told may read what it was told.
        for section in object.block.sections where images[section.gateway]?.appliedN ?? 0 < n {
            guard object.content.awaited.contains(where: { $0.delivery.batch.gateway == section.gateway }) else {
                continue
            }
            world.violate("I7", "\(name) acknowledges object \(n), which its readers do not see yet")
        }
        for awaited in object.content.awaited { awaited.delivery.settle(awaited.index) }
        if !early { for reply in object.content.replies { reply(true, n) } }
    }

    /// Holds a verdict back until everything in flight is applied.
    func settleAfterFlight(_ delivery: Delivery, _ index: Int) {
        if !open.isEmpty {
            open.awaited.append(OpenBlock.Awaited(delivery: delivery, index: index))
        } else if sealed[lastSealed] != nil {
            sealed[lastSealed]?.content.awaited.append(OpenBlock.Awaited(delivery: delivery, index: index))
        } else {
            delivery.settle(index)
        }
    }
}
