internal import TidegateCore

/// Sealing rows and rewriting segments (protocol §7), as `SlotHost+Sealing` does.
extension SlotShell {
    func look(at uid: GatewayUID) {
        guard isServing, let room = rooms[uid], room.state == .open, !room.isDeleting, let image = images[uid] else {
            return
        }
        if !image.sealed.isEmpty, !room.isSwept {
            room.isSwept = true
            sweepSegments(uid)
        }
        guard let work = room.seals.observe(image.sealingState, at: node.local), let epoch else { return }
        let key = world.keys.segment(uid, epoch: epoch, rand: String(world.random.next(), radix: 36))
        switch work {
        case .seal:
            let rows = image.oldestHot(world.between(2, Int(world.settings.seal.segmentRows)))
            guard let segment = SimulatedSegment(rows, asOf: image.appliedN, key: key) else {
                return room.seals.finished(succeeded: false, at: node.local)
            }
            store(segment, rows, room) { .sealed(segment) }
        case .compact(let keys): compact(keys[...], [], image, key, keys, room)
        }
    }

    private func compact(
        _ rest: ArraySlice<String>, _ rows: [SegmentRow], _ image: GatewayImage, _ key: String, _ replaced: [String],
        _ room: Room
    ) {
        guard let next = rest.first else {
            guard let segment = SimulatedSegment(rows, asOf: image.appliedN, key: key) else {
                return propose(.compacted(replaced: replaced, by: nil), room)
            }
            return store(segment, rows, room) { .compacted(replaced: replaced, by: segment) }
        }
        world.objects.get(next, from: node) { [self] answer in
            guard case .found(let blob) = answer, case .segment(let sealed) = blob.content,
                let entry = image.sealed.first(where: { $0.segment.key == next })
            else { return room.seals.finished(succeeded: false, at: node.local) }
            let kept = sealed.filter { !entry.tombstones.contains($0.lsn) }.map { row in
                SegmentRow(lsn: row.lsn, id: row.id, value: image.overlays[row.lsn]?.value ?? row.value)
            }
            compact(rest.dropFirst(), rows + kept, image, key, replaced, room)
        }
    }

    /// Rows are written while edits, deletions and sweeps go on.
    private func store(
        _ segment: SimulatedSegment, _ rows: [SegmentRow], _ room: Room, _ entry: @escaping () -> SimulatedEntry
    ) {
        let blob = Blob(.segment(rows), crc: segment.crc)
        world.after(world.between(1_000, 3_000_000), of: node) { [self] in
            world.objects.put(Blob(.pack, crc: segment.crc), at: segment.pack, from: node) { [self] answer in
                guard answer == .stored || world.mutant == .packunstored else {
                    return room.seals.finished(succeeded: false, at: node.local)
                }
                world.objects.put(blob, at: segment.key, from: node) { [self] answer in
                    guard answer == .stored else { return room.seals.finished(succeeded: false, at: node.local) }
                    world.after(world.between(0, 4_000_000), of: node) { self.propose(entry(), room) }
                }
            }
        }
    }

    private func propose(_ entry: SimulatedEntry, _ room: Room) {
        guard isServing, room.state == .open, !room.isDeleting else {
            return room.seals.finished(succeeded: false, at: node.local)
        }
        open.replies.append { [self] isDone, _ in room.seals.finished(succeeded: isDone, at: node.local) }
        add(entry, to: room.uid)
    }

    /// What owners before this one stored and never made part of the log (A12).
    private func sweepSegments(_ uid: GatewayUID) {
        guard let epoch else { return }
        world.objects.list(world.keys.segments(of: uid), from: node) { [self] found in
            guard isServing, let image = images[uid] else { return }
            let waiting = world.mutant == .sweepwaiting ? [] : image.garbage.keys.sorted()
            let known = image.segmentKeys.union(waiting)
            let orphans = (found ?? []).filter { key in
                (world.keys.epoch(ofSegment: key, uid) ?? .max) < epoch && !known.contains(key)
            }
            guard !orphans.isEmpty else { return }
            world.cover(.segmentsSwept)
            world.objects.delete(orphans, from: node) { _ in }
        }
    }

    /// What entries up to `n` made garbage: both retained snapshots were taken after them.
    func collectGarbage(through n: LogIndex) {
        for uid in images.keys.sorted() {
            guard let image = images[uid], !image.isDeleted else { continue }
            let keys = image.garbage.filter { $0.value <= n }.keys.sorted()
            guard !keys.isEmpty else { continue }
            world.objects.delete(keys, from: node) { [self] isWhole in
                guard isWhole, isServing, let room = rooms[uid], room.state == .open, !room.isDeleting else { return }
                world.cover(.segmentsCollected)
                add(.collected(through: n), to: uid)
            }
        }
    }
}
