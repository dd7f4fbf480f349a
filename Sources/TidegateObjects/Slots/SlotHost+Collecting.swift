internal import CoreMetrics
internal import Logging
internal import TidegateCore

/// Deleting what nobody needs any more (protocol §8).
extension SlotHost {
    func collectorStep(_ event: CollectorCore.Event) {
        guard phase != .fenced, phase != .stopped, let upkeep else { return }
        for effect in upkeep.collector?.handle(event, at: now) ?? [] { carryOut(effect) }
    }

    private func carryOut(_ effect: CollectorCore.Effect) {
        let collecting = SlotCollecting(slot: slot, epoch: core?.epoch ?? 0, fence: fence, world: world)
        switch effect {
        case .wake(let time): wakeUpkeep(at: time)
        case .list(let listing, let prefix):
            start { [mailbox] in
                await collecting.list(prefix) { mailbox.post(.collector(.found(listing, keys: $0))) }
            }
        case .delete(let keys):
            start { [mailbox] in
                if !(await collecting.delete(keys)) { mailbox.post(.collector(.deleteFailed(keys))) }
            }
        case .dropSnapshot(let pointer, let retained): start { await collecting.drop(pointer, retained: retained) }
        case .sweepDatabases(let retained): start { await collecting.sweepDatabases(retained: retained) }
        case .collectGarbage(let n): collectGarbage(through: n, collecting)
        case .sweepBodies(let bodies, let places): sweepBodies(bodies, after: places, collecting)
        case .purge(let uid):
            start { [mailbox] in
                if !(await collecting.purge(uid)) { mailbox.post(.collector(.purgeFailed(uid))) }
            }
        }
    }

    /// What entries up to `n` made garbage: both retained snapshots were taken after them.
    private func collectGarbage(through n: LogIndex, _ collecting: SlotCollecting) {
        for (uid, storage) in storages {
            start { [world, mailbox] in
                do throws(TidegateError) {
                    let keys = try await storage.garbage(through: n)
                    guard !keys.isEmpty else { return }
                    FaultPoint.beforeGarbageDelete.reached()
                    guard await collecting.delete(keys) else { return }
                    FaultPoint.afterGarbageDelete.reached()
                    // Nobody waits for it: what is listed again is deleted again.
                    mailbox.post(.append(uid, .collected(through: n)) { _ in })
                } catch {
                    world.logger.notice("Garbage stays for now", metadata: ["gateway": "\(uid)", "error": "\(error)"])
                }
            }
        }
    }

    /// A few gateways at a time, in turn.
    private func sweepBodies(_ bodies: BodyGarbage, after places: [GatewayUID: String], _ collecting: SlotCollecting) {
        guard let upkeep else { return }
        let order = storages.keys.sorted()
        let turn = order.filter { $0 > upkeep.bodiesSwept } + order.filter { $0 <= upkeep.bodiesSwept }
        var work: [(uid: GatewayUID, storage: any GatewayStorage)] = []
        for uid in turn.prefix(SlotCollecting.bodyGatewaysMax) {
            guard let storage = storages[uid] else { continue }
            work.append((uid, storage))
            upkeep.bodiesSwept = uid
        }
        start { [mailbox, work] in
            for item in work {
                let place = await collecting.sweepBodies(
                    of: item.uid, item.storage, bodies, after: places[item.uid])
                mailbox.post(.collector(.sweptBodies(item.uid, through: place)))
            }
        }
    }

    private static let latePutMsMax: Int64 = 2 * 24 * 3_600_000

    /// Gateways whose end was committed and whose objects may still be there.
    func findEndedGateways(_ n: LogIndex) {
        start { [mailbox, world, slot] in
            var after: String?
            let prefix = world.keys.goneGateways
            let nowMs = world.clock.milliseconds()
            do throws(TidegateError) {
                while true {
                    let page = try await world.coordination.range(prefix: prefix, after: after, limit: 500)
                    for entry in page.entries {
                        // Purged ones again for a while: a put that everybody gave up on may have landed behind the purge.
                        guard let gone: GoneDocument = try? DocumentCoding.decode(from: entry),
                            !gone.purged || nowMs.adding(-gone.atMs) < Self.latePutMsMax,
                            gone.slot == slot.description,
                            let uid = GatewayUID(hex: String(entry.key.dropFirst(prefix.count)))
                        else { continue }
                        mailbox.post(.collector(.gatewayEnded(uid, n)))
                    }
                    guard page.hasMore, let last = page.entries.last?.key else { return }
                    after = last
                }
            } catch {
                world.logger.notice(
                    "Gone gateways not found; the next owner looks again", metadata: ["error": "\(error)"])
            }
        }
    }
}

/// Carries deletions out, a slot's at a time. What fails stays until somebody comes by again.
struct SlotCollecting: Sendable {
    private static let pageKeys = 1_000
    /// Of one gateway's bodies at a look, and gateways at a look.
    private static let bodyPagesMax = 4
    static let bodyGatewaysMax = 16

    let slot: SlotID
    let epoch: Epoch
    let fence: Revision
    let world: SlotWorld

    func list(_ prefix: String, _ found: ([String]) -> Void) async {
        var after: String?
        do throws(TidegateError) {
            while true {
                let page = try await world.store.list(prefix: prefix, after: after, limit: Self.pageKeys)
                if !page.isEmpty { found(page) }
                guard page.count == Self.pageKeys else { return }
                after = page.last
            }
        } catch {
            world.logger.notice("Listing for garbage failed", metadata: ["prefix": "\(prefix)", "error": "\(error)"])
        }
    }

    /// - Returns: whether all of them are gone.
    func delete(_ keys: [String]) async -> Bool {
        var isWhole = true
        for key in keys {
            do throws(TidegateError) {
                try await world.store.delete(key)
                world.metrics.collected.increment()
                FaultPoint.duringCollect.reached()
            } catch {
                isWhole = false
            }
        }
        return isWhole
    }

    func drop(_ pointer: SnapshotPointer, retained: [SnapshotPointer]) async {
        guard let dropped = await manifest(pointer) else { return }
        var others: [SnapshotManifest] = []
        for pointer in retained {
            // Without knowing what is still named, nothing is deleted: the next owner's sweep comes by.
            guard let other = await manifest(pointer) else { return }
            others.append(other)
        }
        if await delete(dropped.garbage(retaining: others)) { _ = await delete([pointer.manifest]) }
    }

    /// Copies of earlier epochs that no retained snapshot names: snapshots that never came to be, or a crash in `drop`.
    func sweepDatabases(retained: [SnapshotPointer]) async {
        var kept: Set<String> = []
        var gateways: Set<String> = []
        for pointer in retained {
            guard let manifest = await manifest(pointer) else { return }
            kept.formUnion(manifest.gateways.map(\.key))
            gateways.formUnion(manifest.gateways.map(\.uid))
        }
        for uid in gateways.compactMap({ GatewayUID(hex: $0) }) {
            var garbage: [String] = []
            await list(world.keys.databases(uid)) { page in
                garbage += page.filter { key in
                    guard let written = world.keys.epoch(ofDatabase: key, uid) else { return false }
                    return written < epoch && !kept.contains(key)
                }
            }
            _ = await delete(garbage)
        }
    }

    /// Deletes bodies that no row names and none will (A34). `bodies` was noted before this is called, so that a row it
    /// speaks of is committed; whoever is the owner after that has applied it.
    /// - Returns: where the next look goes on; `nil` when this one came to the end.
    func sweepBodies(
        of uid: GatewayUID, _ storage: any GatewayStorage, _ bodies: BodyGarbage, after: String?
    ) async -> String? {
        do throws(TidegateError) {
            var (found, place) = ([String](), after)
            for _ in 0..<Self.bodyPagesMax {
                let page = try await world.store.list(
                    prefix: world.keys.bodyObjects(of: uid), after: place, limit: Self.pageKeys)
                found += page
                place = page.count == Self.pageKeys ? page.last : nil
                if place == nil { break }
            }
            let candidates = bodies.garbage(among: found, of: uid, in: world.keys) { _ in false }
            guard !candidates.isEmpty else { return place }
            let own = try await world.coordination.get(world.keys.owner(slot))
            guard own?.modRevision == fence else { return after }
            let named = try await storage.bodies(namedAmong: Set(candidates))
            _ = await delete(candidates.filter { !named.contains($0) })
            return place
        } catch {
            world.logger.notice("Bodies not looked through", metadata: ["gateway": "\(uid)", "error": "\(error)"])
            return after
        }
    }

    /// Only once the gateway is gone by the documents too: until then an owner to come may open it again, and store what
    /// a deletion by prefix must not reach.
    /// - Returns: whether nothing of the gateway is left, and everybody can know it.
    func purge(_ uid: GatewayUID) async -> Bool {
        do throws(TidegateError) {
            let reads = try await world.coordination.commit(
                CoordinationTransaction(read: [world.keys.gone(uid)])
            ).reads
            guard let entry = reads[0] else { return false }
            var isWhole = true
            for prefix in world.keys.objects(of: uid) {
                var keys: [String] = []
                await list(prefix) { keys += $0 }
                isWhole = await delete(keys) && isWhole
            }
            guard isWhole else { return false }
            var gone: GoneDocument = try DocumentCoding.decode(from: entry)
            gone.purged = true
            return try await world.coordination.commit(
                CoordinationTransaction(
                    compare: [
                        .modRevision(key: world.keys.owner(slot), equals: fence),
                        .modRevision(key: entry.key, equals: entry.modRevision),
                    ], then: [.put(key: entry.key, value: try DocumentCoding.encode(gone))])
            ).succeeded
        } catch {
            return false
        }
    }

    private func manifest(_ pointer: SnapshotPointer) async -> SnapshotManifest? {
        guard let bytes = try? await world.store.get(pointer.manifest) else { return nil }
        return try? SnapshotManifest(decoding: bytes, of: pointer)
    }
}
