internal import CoreMetrics
internal import Logging
internal import TidegateCore

/// Snapshots, and leaving (protocol §6, §10).
extension SlotHost {
    func startUpkeep(_ claimed: ClaimCore.Claimed) {
        let upkeep = upkeep ?? SlotUpkeep(nil)
        self.upkeep = upkeep
        upkeep.lost(claimed.holes)
        if let head = claimed.claim.head { upkeep.stand(at: head) }
        upkeep.snapshots = SnapshotCore(claimed, settings: world.settings.slot, at: now)
        upkeep.collector = CollectorCore(slot, keys: world.keys, claimed, settings: world.settings.slot)
        snapshotStep(.tick)
        collectorStep(.start)
        findEndedGateways(claimed.claim.head?.n ?? 0)
        sealingStep(.tick)
        sweepForRetention()
    }

    func snapshotStep(_ event: SnapshotCore.Event) {
        guard phase != .fenced, phase != .stopped, let upkeep else { return }
        for effect in upkeep.snapshots?.handle(event, at: now) ?? [] { carryOut(effect, upkeep) }
        if phase == .leaving, upkeep.snapshots?.isClean ?? true { release() }
    }

    private func carryOut(_ effect: SnapshotCore.Effect, _ upkeep: SlotUpkeep) {
        switch effect {
        case .pin: step(.pin)
        case .store(let n): store(n, upkeep)
        case .publish(let snapshot, let own, let revision): publish(snapshot, own: own, revision: revision)
        case .readBack(let delay): readSnapshotBack(after: delay)
        case .published(let snapshot, let dropped):
            upkeep.published()
            world.metrics.snapshots.increment()
            collectorStep(.published(snapshot, dropped: dropped))
        case .discard:
            letGo(upkeep)
            upkeep.discard()
            if phase == .leaving { release() }  // a restart replays what the snapshot would have held
        case .wake(let time): wakeUpkeep(at: time)
        }
    }

    func wakeUpkeep(at time: Duration) {
        let delay = max(.zero, time - now)
        start { [mailbox] in
            try? await Task.sleep(for: delay)
            mailbox.post(.upkeepTick)
        }
    }

    /// Nothing is applied until `unpin`: all databases stand at `n`.
    func pin(at n: LogIndex) {
        guard let upkeep else { return step(.unpin) }
        // Connections for the large ones: the log stands still while the others are copied.
        let dirty = upkeep.beginPin().sorted { one, other in
            let (size, otherSize) = (upkeep.items[one]?.size ?? 0, upkeep.items[other]?.size ?? 0)
            return size != otherSize ? size > otherSize : one < other
        }
        let storages = dirty.compactMap { uid in self.storages[uid].map { (uid, $0) } }
        let connections = world.settings.pinnedConnectionsMax
        start { [mailbox, storages] in
            var pins: [GatewayUID: any PinnedContent] = [:]
            do {
                for (uid, storage) in storages { pins[uid] = try await storage.pin(asCopy: pins.count >= connections) }
                FaultPoint.whilePinned.reached()
                mailbox.post(.pinned(n, .success(pins)))
            } catch {
                for pin in pins.values { await pin.letGo() }
                mailbox.post(.pinned(n, .failure(.database(error, "Pinning the database"))))
            }
        }
    }

    func pinned(_ n: LogIndex, _ result: Result<[GatewayUID: any PinnedContent], TidegateError>) {
        step(.unpin)
        switch result {
        case .success(let pins):
            upkeep?.pins = pins
            snapshotStep(.pinned(n))
        case .failure(let error):
            world.logger.warning("No snapshot taken", metadata: ["slot": "\(slot)", "error": "\(error)"])
            snapshotStep(.pinFailed)
        }
    }

    private func letGo(_ upkeep: SlotUpkeep) {
        let pins = upkeep.pins
        upkeep.pins = [:]
        start { for pin in pins.values { await pin.letGo() } }
    }

    private func store(_ n: LogIndex, _ upkeep: SlotUpkeep) {
        let pins = upkeep.pins
        upkeep.pins = [:]
        let epoch = core?.epoch ?? 0
        // Deleted between the last snapshot and this one.
        let absent = Set(upkeep.items.keys.filter { rooms[$0]?.state == .gone }).union(upkeep.absent)
        let draft = upkeep.manifest(
            slot: slot, epoch: epoch, n: n, stored: [], absent: absent, logCRC: upkeep.candidateCRC)
        start { [mailbox, world, slot] in
            await world.snapshotPlaces.enter()
            var manifest = draft
            var left = pins
            do {
                for (uid, pin) in pins.sorted(by: { $0.key.bits < $1.key.bits }) {
                    left[uid] = nil
                    let key = world.keys.database(uid, epoch: epoch, n: n, rand: world.mintName())
                    let item = try await pin.store(at: key)
                    manifest.gateways.removeAll { $0.uid == item.uid }
                    manifest.gateways.append(item)
                }
                FaultPoint.beforeManifest.reached()
                manifest.gateways.sort { $0.uid < $1.uid }
                let bytes = try manifest.encoded()
                let key = world.keys.manifest(slot, epoch: epoch, n: n, rand: world.mintName())
                try await world.store.put(bytes, at: key)
                mailbox.post(
                    .stored(
                        SnapshotPointer(manifest: key, n: n, crc: CRC32C.checksum(bytes), size: bytes.count), manifest))
            } catch {
                for pin in left.values { await pin.letGo() }
                world.logger.warning("Snapshot not stored", metadata: ["slot": "\(slot)", "error": "\(error)"])
                mailbox.post(.snapshot(.storeFailed))
            }
            await world.snapshotPlaces.leave()
        }
    }

    func stored(_ pointer: SnapshotPointer, _ manifest: SnapshotManifest) {
        upkeep?.stored(manifest)
        snapshotStep(.stored(pointer))
    }

    private func publish(_ snapshot: SlotSnapshot, own: Revision, revision: Revision) {
        start { [mailbox, world, slot] in
            do throws(TidegateError) {
                FaultPoint.beforePublish.reached()
                let outcome = try await world.coordination.commit(
                    CoordinationTransaction(
                        compare: [
                            .modRevision(key: world.keys.owner(slot), equals: own),
                            .modRevision(key: world.keys.snapshot(slot), equals: revision),
                        ],
                        then: [
                            .put(key: world.keys.snapshot(slot), value: try DocumentCoding.encode(snapshot))
                        ]))
                FaultPoint.afterPublish.reached()
                mailbox.post(
                    .snapshot(outcome.succeeded ? .published(snapRevision: outcome.revision) : .notPublished))
            } catch {
                mailbox.post(.snapshot(.notPublished))
            }
        }
    }

    private func readSnapshotBack(after delay: Duration) {
        start { [mailbox, world, slot] in
            if delay > .zero { try? await Task.sleep(for: delay) }
            do throws(TidegateError) {
                let reads = try await world.coordination.commit(
                    CoordinationTransaction(read: [world.keys.owner(slot), world.keys.snapshot(slot)])
                ).reads
                let snapshot: SlotSnapshot? = try reads[1].map { entry throws(TidegateError) in
                    try DocumentCoding.decode(from: entry)
                }
                mailbox.post(
                    .snapshot(
                        .read(
                            ownRevision: reads[0]?.modRevision ?? 0, snapshot: snapshot,
                            snapRevision: reads[1]?.modRevision ?? 0)))
            } catch {
                mailbox.post(.snapshot(.readFailed))
            }
        }
    }

    // MARK: - Leaving

    /// Everything that was taken is applied and answered: one more snapshot, so that the next owner replays nothing.
    func leave() {
        phase = .leaving
        snapshotStep(.force)
    }

    /// Gives the slot up, so that nobody has to wait for this owner's end to be noticed.
    private func release() {
        guard phase == .leaving, !isReleasing, let epoch = core?.epoch else { return }
        isReleasing = true
        start { [mailbox, world, slot, fence, hint, minReader] in
            do throws(TidegateError) {
                FaultPoint.beforeRelease.reached()
                _ = try await world.coordination.commit(
                    try SlotClaim.release(
                        slot, keys: world.keys, epoch: epoch, fence: fence, hint: hint, minReader: minReader))
            } catch {
                world.logger.notice("Slot not released", metadata: ["slot": "\(slot)", "error": "\(error)"])
            }
            mailbox.post(.released)
        }
    }
}
