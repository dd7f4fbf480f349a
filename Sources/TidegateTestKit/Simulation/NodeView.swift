internal import TidegateCore

/// What a node has heard of the coordination store: late, in order, and sometimes only by listing again.
final class NodeView {
    struct Ownership: Equatable {
        var epoch: Epoch
        var incarnation: String?
        var isFree: Bool
        var revision: Revision
    }

    private unowned let node: SimulatedNode
    private unowned let world: World
    private(set) var owners: [Int: Ownership] = [:]
    private(set) var incarnations: Set<String> = []
    /// Uid of the gateways that take calls, by account and name.
    private(set) var gateways: [Tenants.Name: GatewayUID] = [:]
    private var gatewayRevisions: [Tenants.Name: Revision] = [:]
    private var position = 0
    /// The watch lost its place: nothing is delivered until the node lists again.
    var isBroken = false

    init(_ node: SimulatedNode, _ world: World) {
        self.node = node
        self.world = world
    }

    func deliver(through end: Int) {
        if isBroken {
            isBroken = false
            return world.after(world.between(1_000, 3_000_000), of: node) { self.list() }
        }
        guard end > position else { return }
        let changes = world.coordination.changes
        for batch in changes[position..<end] {
            for change in batch.changes {
                switch change {
                case .put(let entry): take(entry)
                case .delete(let key, let revision): drop(key, revision)
                }
            }
        }
        position = end
        node.viewChanged()
    }

    /// Reads everything anew, as after a compaction.
    func list() {
        guard !world.coordination.isDown else { return world.after(500_000, of: node) { self.list() } }
        world.cover(.watchListed)
        position = world.coordination.changes.count
        incarnations = []
        var present: Set<Tenants.Name> = []
        let prefix = world.keys.incarnationPrefix
        for entry in world.coordination.model.range(prefix: prefix, after: nil, limit: 100).entries { take(entry) }
        for slot in 0..<world.settings.slots {
            if let entry = world.coordination.model.entry(world.keys.owner(world.slotID(slot))) { take(entry) }
        }
        for name in world.tenants.names {
            guard let entry = world.coordination.model.entry(world.keys.gateway(name.account, name.gateway)) else {
                continue
            }
            present.insert(name)
            take(entry)
        }
        for name in world.tenants.names where !present.contains(name) { gateways[name] = nil }
        node.viewChanged()
    }

    /// What a linearizable read found is as good as what the watch tells.
    func take(_ entry: KeyValue) {
        if let slot = world.slot(ofOwnerKey: entry.key) {
            guard let owner: SlotOwner = try? DocumentCoding.decode(from: entry) else { return }
            // I16 for ownership: a picture only moves forward.
            if let known = owners[slot], known.revision >= entry.modRevision { return }
            owners[slot] = Ownership(
                epoch: owner.epoch, incarnation: owner.inc, isFree: owner.state == .free, revision: entry.modRevision)
        } else if let incarnation = world.incarnation(ofKey: entry.key) {
            incarnations.insert(incarnation)
        } else if let name = world.tenants.name(ofGatewayKey: entry.key) {
            if let known = gatewayRevisions[name], known >= entry.modRevision { return }
            gatewayRevisions[name] = entry.modRevision
            guard let document: GatewayDocument = try? DocumentCoding.decode(from: entry) else { return }
            gateways[name] = document.state == .active ? GatewayUID(hex: document.uid) : nil
        }
    }

    private func drop(_ key: String, _ revision: Revision) {
        if let incarnation = world.incarnation(ofKey: key) {
            incarnations.remove(incarnation)
        } else if let name = world.tenants.name(ofGatewayKey: key) {
            if let known = gatewayRevisions[name], known >= revision { return }
            gatewayRevisions[name] = revision
            gateways[name] = nil
        }
    }

    /// Node to which rows of `slot` are sent; `nil` when nobody is known.
    func node(of slot: Int) -> Int? {
        guard let owner = owners[slot], !owner.isFree, let incarnation = owner.incarnation else { return nil }
        return world.nodeOfIncarnation[incarnation]
    }

    /// Whether the slot looks as if anybody should claim it (protocol §5.1).
    func wantsOwner(_ slot: Int) -> Bool {
        guard let owner = owners[slot] else { return true }
        guard !owner.isFree, let incarnation = owner.incarnation else { return true }
        return !incarnations.contains(incarnation)
    }
}
