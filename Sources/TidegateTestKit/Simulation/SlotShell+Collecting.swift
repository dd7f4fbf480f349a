internal import TidegateCore

/// Deleting what nobody needs.
extension SlotShell {
    func onCollector(_ event: CollectorCore.Event) {
        guard phase == .serving || phase == .releasing, var core = collector else { return }
        let effects = core.handle(event, at: node.local)
        collector = core
        for effect in effects {
            if node.diesHere() { return }
            carryOut(effect)
        }
    }

    private func carryOut(_ effect: CollectorCore.Effect) {
        switch effect {
        case .list(let listing, let prefix):
            world.objects.list(prefix, from: node) { [self] keys in
                if let keys { onCollector(.found(listing, keys: keys)) }
            }
        case .delete(let keys): delete(keys)
        case .dropSnapshot(let pointer, let retained): drop(pointer, retained)
        case .sweepDatabases(let retained): sweepDatabases(retained)
        case .collectGarbage(let n): collectGarbage(through: n)
        case .sweepBodies: break  // bodies are not simulated
        case .purge(let uid): purge(uid)
        case .wake(let time): node.after(time - node.local) { self.onCollector(.tick) }
        }
        if world.mutant == .gcany || world.mutant == .gcage { sweepAny() }
        if world.mutant == .gccur, let cur = snapshots?.snapshot.cur {
            let snapshot = claimed?.claim.snapshot
            let garbage = world.objects.blobs.keys.filter { key in
                world.keys.parts(ofLogObject: key, id).map { $0.n <= cur.n } ?? false
            }
            if snapshot != nil { world.objects.delete(garbage.sorted(), from: node) { _ in } }
        }
    }

    private func delete(_ keys: [String]) {
        world.objects.delete(keys, from: node) { [self] done in
            if !done { onCollector(.deleteFailed(keys)) }
        }
    }

    /// What only this snapshot's manifest names goes, then the manifest.
    private func drop(_ pointer: SnapshotPointer, _ retained: [SnapshotPointer]) {
        manifests([pointer] + retained) { [self] found in
            guard let found, let dropped = found[pointer.manifest] else { return }
            let named = Set(retained.compactMap { found[$0.manifest] }.flatMap { $0.gateways.map(\.key) })
            guard retained.allSatisfy({ found[$0.manifest] != nil }) else { return }
            let garbage = dropped.gateways.map(\.key).filter { !named.contains($0) }
            delete(garbage + [pointer.manifest])
        }
    }

    private func sweepDatabases(_ retained: [SnapshotPointer]) {
        guard let epoch else { return }
        let uids = images.keys.sorted()
        manifests(retained) { [self] found in
            guard let found, retained.allSatisfy({ found[$0.manifest] != nil }) else { return }
            let named = Set(found.values.flatMap { $0.gateways.map(\.key) })
            for uid in uids {
                world.objects.list(world.keys.databases(uid), from: node) { [self] keys in
                    let garbage = (keys ?? []).filter { key in
                        (world.keys.epoch(ofDatabase: key, uid) ?? .max) < epoch && !named.contains(key)
                    }
                    if !garbage.isEmpty { world.objects.delete(garbage, from: node) { _ in } }
                }
            }
        }
    }

    /// - Parameter then: gets the manifests that could be read, by key; `nil` when the store refused one.
    private func manifests(_ pointers: [SnapshotPointer], _ then: @escaping ([String: SlotManifest]?) -> Void) {
        read(pointers[...], [:], then)
    }

    private func read(
        _ rest: ArraySlice<SnapshotPointer>, _ found: [String: SlotManifest],
        _ then: @escaping ([String: SlotManifest]?) -> Void
    ) {
        guard let pointer = rest.first else { return then(found) }
        world.objects.get(pointer.manifest, from: node) { [self] answer in
            var found = found
            switch answer {
            case .failed: return then(nil)
            case .absent: break
            case .found(let blob): if case .manifest(let manifest) = blob.content { found[pointer.manifest] = manifest }
            }
            read(rest.dropFirst(), found, then)
        }
    }

    /// Deletes everything of a gateway that is gone, once the documents say so too (A37).
    private func purge(_ uid: GatewayUID) {
        let key = world.keys.gone(uid)
        world.coordination.commit(CoordinationTransaction(read: [key]), from: node) { [self] answer in
            guard case .outcome(let outcome) = answer, let entry = outcome.reads[0] else {
                return onCollector(.purgeFailed(uid))
            }
            delete(world.keys.objects(of: uid)[...]) { [self] isWhole in
                guard isWhole, var gone: GoneDocument = try? DocumentCoding.decode(from: entry) else {
                    return onCollector(.purgeFailed(uid))
                }
                gone.purged = true
                guard let value = try? DocumentCoding.encode(gone) else { return }
                let mark = CoordinationTransaction(
                    compare: [
                        .modRevision(key: world.keys.owner(id), equals: fence),
                        .modRevision(key: key, equals: entry.modRevision),
                    ], then: [.put(key: key, value: value)])
                world.coordination.commit(mark, from: node) { [self] answer in
                    if case .outcome(let outcome) = answer, outcome.succeeded { return }
                    onCollector(.purgeFailed(uid))
                }
            }
        }
    }

    private func delete(_ prefixes: ArraySlice<String>, _ done: @escaping (Bool) -> Void) {
        guard let prefix = prefixes.first else { return done(true) }
        world.objects.list(prefix, from: node) { [self] keys in
            guard let keys else { return done(false) }
            world.objects.delete(keys, from: node) { [self] isWhole in
                isWhole ? delete(prefixes.dropFirst(), done) : done(false)
            }
        }
    }

    /// The mutants' sweep: whatever no snapshot and no committed entry names, whoever wrote it and when.
    private func sweepAny() {
        let mine = Set(
            (snapshots.map { [$0.snapshot.cur, $0.snapshot.prev].compactMap { $0?.manifest } } ?? [])
                + uploads.values.map(\.key) + images.values.flatMap { $0.segmentKeys.union($0.garbage.keys) })
        let garbage = world.objects.blobs.keys.filter { key in
            key.hasPrefix("\(world.keys.generation)/seg/") && world.slot(ofSegment: key) == slot && !mine.contains(key)
                && (world.mutant == .gcany || world.objects.age(of: key) > 3_000_000)
        }
        if !garbage.isEmpty { world.objects.delete(garbage.sorted(), from: node) { _ in } }
    }
}
