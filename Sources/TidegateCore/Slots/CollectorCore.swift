/// What of a slot's objects nobody will ever need again (protocol §8, A12).
///
/// No clock decides. An object goes only when (a) a committed change made it garbage and neither retained snapshot needs
/// it, which stays true since names are never used twice; or (b) its name carries an epoch below this owner's and neither
/// the log nor a retained snapshot, as this owner found them at its claim or made them since, names it. So an owner that
/// was robbed and does not know it can go on collecting: it cannot reach what its successor writes.
package struct CollectorCore: Sendable {
    package enum Event: Equatable, Sendable {
        case start
        /// Part of a listing that was asked for.
        case found(Listing, keys: [String])
        /// A snapshot was published; `dropped` is retained no more.
        case published(SlotSnapshot, dropped: SnapshotPointer?)
        /// The entry that ends a gateway is applied in object `n`.
        case gatewayEnded(GatewayUID, LogIndex)
        /// Objects of rows whose refusal is committed.
        case refused([String])
        /// A batch says that the rows of all smaller intents of its stream are committed, refused or dropped.
        case resolved(StreamID, below: UInt64)
        /// Bodies were looked through up to this key; `nil` is the end.
        case sweptBodies(GatewayUID, through: String?)
        case deleteFailed([String])
        case purgeFailed(GatewayUID)
        case tick
    }

    package enum Listing: Equatable, Sendable { case log, manifests }

    package enum Effect: Equatable, Sendable {
        /// List the prefix, whole or in parts, and answer `found`.
        case list(Listing, prefix: String)
        case delete([String])
        /// Delete what only this snapshot's manifest names, then the manifest.
        case dropSnapshot(SnapshotPointer, retained: [SnapshotPointer])
        /// Delete the gateways' database objects of epochs below this one that no retained manifest names.
        case sweepDatabases(retained: [SnapshotPointer])
        /// Delete what entries up to and including `n` made garbage in the gateways' databases.
        case collectGarbage(through: LogIndex)
        /// Delete bodies that no row names and none will, a part of each gateway's: from behind these keys on.
        case sweepBodies(BodyGarbage, after: [GatewayUID: String])
        /// Delete every object of a gateway that is gone, then mark it purged.
        case purge(GatewayUID)
        case wake(at: Duration)
    }

    private let slot: SlotID
    private let keys: CoordinationKeys
    private let epoch: Epoch
    private let settings: SlotSettings
    /// The log's end at the claim: behind it no name of an older epoch is committed.
    private let claimedN: LogIndex
    private var snapshot: SlotSnapshot
    /// Log objects that wait for their hour: it is for people who repair, not for safety.
    private var waiting: [(due: Duration, keys: [String])] = []
    private var ended: [(gateway: GatewayUID, n: LogIndex)] = []
    private var wakeAt: Duration?
    private var bodies = BodyGarbage()
    /// Something can be garbage that was none at the last look.
    private var hasBodyNews = false
    private var bodyPlaces: [GatewayUID: String] = [:]

    package init(_ slot: SlotID, keys: CoordinationKeys, _ claimed: ClaimCore.Claimed, settings: SlotSettings) {
        self.slot = slot
        self.keys = keys
        self.settings = settings
        epoch = claimed.claim.epoch
        claimedN = claimed.claim.head?.n ?? 0
        snapshot = claimed.claim.snapshot
    }

    package mutating func handle(_ event: Event, at now: Duration) -> [Effect] {
        switch event {
        case .start:
            return [
                .list(.log, prefix: keys.logObjects(slot)), .list(.manifests, prefix: keys.manifests(slot)),
                .sweepDatabases(retained: retained),
            ]
        case .found(.log, let found): return delete(found.filter(isGarbage(logKey:)))
        case .found(.manifests, let found): return delete(found.filter(isGarbage(manifest:)))
        case .published(let new, let dropped): return published(new, dropped, at: now)
        case .gatewayEnded(let uid, let n):
            if !ended.contains(where: { $0.gateway == uid }) { ended.append((uid, n)) }
            return purges()
        case .refused(let keys): return delete(keys)
        case .resolved(let stream, let bound):
            if bodies.note(stream, resolvedBelow: bound) { hasBodyNews = true }
            return []
        case .sweptBodies(let uid, let place):
            bodyPlaces[uid] = place
            return []
        case .deleteFailed(let keys):
            waiting.append((now + settings.retryMax * 30, keys))
            return due(at: now)
        case .purgeFailed(let uid):
            ended.append((uid, 0))  // tried again after the next snapshot
            return []
        case .tick:
            wakeAt = nil
            return due(at: now)
        }
    }

    private var retained: [SnapshotPointer] { [snapshot.cur, snapshot.prev].compactMap { $0 } }
    private var prevN: LogIndex { snapshot.prev?.n ?? 0 }

    private mutating func published(
        _ new: SlotSnapshot, _ dropped: SnapshotPointer?, at now: Duration
    ) -> [Effect] {
        let before = snapshot
        snapshot = new
        var effects: [Effect] = []
        if let dropped { effects.append(.dropSnapshot(dropped, retained: retained)) }
        let first = (before.prev?.n ?? 0) + 1
        if first <= prevN {
            // Named by the lineage as it was: the new one does not know these any more.
            let garbage = (first...prevN).compactMap { n in before.step(of: n).map { keys.logObject(slot, $0, n: n) } }
            waiting.append((now + settings.logRetention, garbage))
            effects.append(.collectGarbage(through: prevN))
        }
        return effects + purges() + due(at: now) + bodySweep()
    }

    /// With the snapshots, for want of a clock: what a lost row leaves behind is rare, and nobody waits for its place.
    private mutating func bodySweep() -> [Effect] {
        guard hasBodyNews || !bodyPlaces.isEmpty else { return [] }
        hasBodyNews = false
        return [.sweepBodies(bodies, after: bodyPlaces)]
    }

    /// Only once both retained snapshots are newer than the gateway's end: until then they name objects of it.
    private mutating func purges() -> [Effect] {
        let prevN = prevN
        let ripe = ended.filter { $0.n <= prevN }
        ended.removeAll { $0.n <= prevN }
        return ripe.map { .purge($0.gateway) }
    }

    private mutating func due(at now: Duration) -> [Effect] {
        let ripe = waiting.filter { $0.due <= now }.flatMap(\.keys)
        waiting.removeAll { $0.due <= now }
        var effects = delete(ripe)
        if let next = waiting.map(\.due).min(), wakeAt.map({ next < $0 }) ?? true {
            wakeAt = next
            effects.append(.wake(at: next))
        }
        return effects
    }

    private func delete(_ keys: [String]) -> [Effect] { keys.isEmpty ? [] : [.delete(keys)] }

    private func isGarbage(logKey key: String) -> Bool {
        guard let (written, n) = keys.parts(ofLogObject: key, slot) else { return false }
        if n <= prevN { return true }
        return written < epoch && (n > claimedN || snapshot.epoch(of: n) != written)
    }

    private func isGarbage(manifest key: String) -> Bool {
        guard let written = keys.epoch(ofManifest: key, slot) else { return false }
        return written < epoch && !retained.contains { $0.manifest == key }
    }
}
