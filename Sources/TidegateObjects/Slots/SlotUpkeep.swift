internal import TidegateCore

/// What a slot's owner knows of its snapshots. Belongs to the slot's actor.
final class SlotUpkeep {
    /// Each gateway's copy in the newest snapshot.
    private(set) var items: [GatewayUID: SnapshotManifest.Item] = [:]
    /// Gateways whose database changed since.
    private(set) var dirty: Set<GatewayUID> = []
    /// Gateways that the log names and that are gone.
    var absent: Set<GatewayUID> = []
    /// Where the databases stand, and the CRC of that log object.
    private(set) var appliedN: LogIndex = 0
    private(set) var appliedCRC: UInt32 = 0
    private(set) var holes: [LogIndex] = []
    /// Where the log ends gateways.
    private var ended: [GatewayUID: LogIndex] = [:]

    var snapshots: SnapshotCore?
    var collector: CollectorCore?
    /// The gateway whose bodies were looked through last.
    var bodiesSwept = GatewayUID(bits: 0)
    /// What is pinned, until it is stored.
    var pins: [GatewayUID: any PinnedContent] = [:]
    /// What the snapshot under way will be.
    private var candidate: (pinned: Set<GatewayUID>, logCRC: UInt32, manifest: SnapshotManifest?)?

    init(_ manifest: SnapshotManifest?) {
        guard let manifest else { return }
        for item in manifest.gateways { if let uid = GatewayUID(hex: item.uid) { items[uid] = item } }
        for end in manifest.ended { if let uid = GatewayUID(hex: end.uid) { ended[uid] = end.n } }
        (appliedN, appliedCRC, holes) = (manifest.n, manifest.logCRC, manifest.holes)
    }

    func lost(_ holes: [LogIndex]) { self.holes += holes }

    /// Object `n` is applied.
    func note(_ n: LogIndex, crc: UInt32, gateways: [GatewayUID]) {
        (appliedN, appliedCRC) = (n, crc)
        dirty.formUnion(gateways)
    }

    /// Object `n` ends a gateway.
    func note(endOf uid: GatewayUID, at n: LogIndex) { ended[uid] = n }

    /// At the claim, when the log's last object was a hole.
    func stand(at head: SlotHead) { (appliedN, appliedCRC) = (head.n, head.crc) }

    func beginPin() -> Set<GatewayUID> {
        candidate = (dirty, appliedCRC, nil)
        dirty = []
        return candidate?.pinned ?? []
    }

    /// - Parameter stored: copies of what changed; what is `absent` is left out.
    func manifest(
        slot: SlotID, epoch: Epoch, n: LogIndex, stored: [SnapshotManifest.Item], absent: Set<GatewayUID>,
        logCRC: UInt32
    ) -> SnapshotManifest {
        var all = items.filter { !absent.contains($0.key) }
        for item in stored { if let uid = GatewayUID(hex: item.uid) { all[uid] = item } }
        return SnapshotManifest(
            slot: slot.description, epoch: epoch, n: n, logCRC: logCRC, holes: holes,
            gateways: all.values.sorted { $0.uid < $1.uid }, ended: ended(through: n))
    }

    /// The log goes on while a snapshot is stored: later ends belong to the next one.
    private func ended(through n: LogIndex) -> [SnapshotManifest.Ended] {
        let newest = ended.filter { $0.value <= n }.sorted { ($0.value, $0.key) < ($1.value, $1.key) }
            .suffix(SnapshotManifest.endedMax)
        return newest.map { SnapshotManifest.Ended(uid: $0.key.description, n: $0.value) }
    }

    var candidateCRC: UInt32 { candidate?.logCRC ?? 0 }
    func stored(_ manifest: SnapshotManifest) { candidate?.manifest = manifest }

    /// The snapshot under way is the newest one now.
    func published() {
        guard let manifest = candidate?.manifest else { return }
        items = [:]
        for item in manifest.gateways { if let uid = GatewayUID(hex: item.uid) { items[uid] = item } }
        candidate = nil
    }

    /// Nothing came of it.
    func discard() {
        dirty.formUnion(candidate?.pinned ?? [])
        candidate = nil
    }
}
