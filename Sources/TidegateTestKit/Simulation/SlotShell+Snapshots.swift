internal import TidegateCore

/// Snapshots and what they make superfluous (protocol §6, §8).
extension SlotShell {
    func onSnapshot(_ event: SnapshotCore.Event) {
        guard phase == .serving || phase == .releasing, var core = snapshots else { return }
        let effects = core.handle(event, at: node.local)
        snapshots = core
        for effect in effects {
            if node.diesHere() { return }
            carryOut(effect)
        }
    }

    private func carryOut(_ effect: SnapshotCore.Effect) {
        switch effect {
        case .pin: onSlot(.pin)
        case .store(let n): store(n)
        case .publish(let snapshot, let own, let revision): publish(snapshot, own, revision)
        case .readBack(let delay): node.after(delay) { self.readSnapshot() }
        case .published(let snapshot, let dropped):
            world.note("\(name): snapshot \(snapshot.cur?.n ?? 0) published")
            uploads = Dictionary(pendingUploads.map { ($0.uid, $0) }, uniquingKeysWith: { $1 })
            pinned = nil
            onCollector(.published(snapshot, dropped: dropped))
        case .discard: pinned = nil
        case .wake(let time): node.after(time - node.local) { self.onSnapshot(.tick) }
        }
    }

    /// The databases stand still between two objects: a moment that a copy of them takes.
    func pinned(_ n: LogIndex) {
        var (n, images, crc) = (n, images, lastCRC)
        if world.mutant == .snapuncommitted {
            while let block = sealed[n + 1]?.block {
                for section in block.sections {
                    images[section.gateway, default: GatewayImage()].apply(n + 1, section.entries, nil)
                }
                (n, crc) = (n + 1, block.crc)
            }
        }
        pinned = (n, crc, images)
        world.after(world.between(200, 20_000), of: node) { [self] in
            guard phase == .serving || phase == .releasing else { return }
            if world.happens(world.faults.applyFails) { onSnapshot(.pinFailed) } else { onSnapshot(.pinned(n)) }
            onSlot(.unpin)
        }
    }

    private func store(_ n: LogIndex) {
        guard let pinned, pinned.n == n else { return onSnapshot(.storeFailed) }
        pendingUploads = []
        var rest: [(GatewayUID, GatewayImage)] = []
        for uid in pinned.images.keys.sorted() {
            // A gateway at its end is left out: what is left of it is not worth a copy.
            guard let image = pinned.images[uid], !image.isDeleted else { continue }
            // Unchanged ones are referenced again.
            if let known = uploads[uid], known.crc == Self.crc(image) {
                pendingUploads.append(known)
            } else {
                rest.append((uid, image))
            }
        }
        upload(rest[...], pinned.n, pinned.crc)
    }

    private static func crc(_ image: GatewayImage) -> UInt32 {
        UInt32(truncatingIfNeeded: mix(image.digest, image.appliedN))
    }

    private func upload(_ rest: ArraySlice<(GatewayUID, GatewayImage)>, _ n: LogIndex, _ logCRC: UInt32) {
        let rand = String(world.random.next(), radix: 36)
        guard let (uid, image) = rest.first else {
            let manifest = SlotManifest(n: n, logCRC: logCRC, gateways: pendingUploads)
            let key = world.keys.manifest(id, epoch: epoch ?? 0, n: n, rand: rand)
            pendingKeys.insert(key)
            return world.objects.put(Blob(.manifest(manifest), crc: manifest.crc), at: key, from: node) {
                [self] answer in
                guard answer == .stored else { return onSnapshot(.storeFailed) }
                onSnapshot(
                    .stored(SnapshotPointer(manifest: key, n: n, crc: manifest.crc, size: manifest.gateways.count)))
            }
        }
        let key = world.keys.database(uid, epoch: epoch ?? 0, n: n, rand: rand)
        let crc = Self.crc(image)
        pendingKeys.insert(key)
        world.objects.put(Blob(.database(image), crc: crc), at: key, from: node) { [self] answer in
            guard answer == .stored else { return onSnapshot(.storeFailed) }
            pendingUploads.append(SlotManifest.Gateway(uid: uid, key: key, crc: crc))
            upload(rest.dropFirst(), n, logCRC)
        }
    }

    private func publish(_ snapshot: SlotSnapshot, _ own: Revision, _ revision: Revision) {
        var snapshot = snapshot
        if world.mutant == .trimcur, let cur = snapshot.cur {
            let steps = snapshot.lineage
            snapshot.lineage = steps.indices.filter { $0 == steps.count - 1 || steps[$0 + 1].firstN > cur.n + 1 }.map {
                steps[$0]
            }
        }
        guard let value = try? DocumentCoding.encode(snapshot) else { return }
        let key = world.keys.snapshot(id)
        var compare: [CoordinationTransaction.Comparison] = [
            .modRevision(key: world.keys.owner(id), equals: own), .modRevision(key: key, equals: revision),
        ]
        if world.mutant == .snapunfenced { compare = [] }
        let transaction = CoordinationTransaction(compare: compare, then: [.put(key: key, value: value)])
        world.coordination.commit(transaction, from: node) { [self] answer in
            if case .outcome(let outcome) = answer, outcome.succeeded {
                onSnapshot(.published(snapRevision: outcome.revision))
            } else {
                onSnapshot(.notPublished)
            }
        }
    }

    private func readSnapshot() {
        let read = CoordinationTransaction(read: [world.keys.owner(id), world.keys.snapshot(id)])
        world.coordination.commit(read, from: node) { [self] answer in
            guard case .outcome(let outcome) = answer else { return onSnapshot(.readFailed) }
            let snapshot: SlotSnapshot? = outcome.reads[1].flatMap { try? DocumentCoding.decode(from: $0) }
            onSnapshot(
                .read(
                    ownRevision: outcome.reads[0]?.modRevision ?? 0, snapshot: snapshot,
                    snapRevision: outcome.reads[1]?.modRevision ?? 0))
        }
    }
}
