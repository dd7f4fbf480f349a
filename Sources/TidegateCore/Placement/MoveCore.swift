/// When an owner offers a slot to a better node. Slow on purpose (A19): views differ, and a move costs a hand-off.
///
/// Rules that it keeps:
/// - Nothing moves unless somebody has held over 20 % more than its share for 60 s.
/// - Nothing moves within 60 s of a change of who is there.
/// - A node offers at most one slot every 5 s, and only to somebody whom the move leaves no fuller than itself.
package struct MoveCore: Sendable {
    package struct Settings: Sendable {
        package var imbalance = 0.2
        package var lasting: Duration = .seconds(60)
        package var calm: Duration = .seconds(60)
        package var pause: Duration = .seconds(5)
        package init() {}
    }

    package struct Offer: Equatable, Sendable {
        package var slot: SlotID
        package var to: String
    }

    private let settings: Settings
    private let nodeID: String
    private var nodes: [HashRing.Node] = []
    private var ring = HashRing([])
    private var changedAt: Duration
    private var unevenSince: Duration?
    private var offeredAt: Duration?

    package init(nodeID: String, settings: Settings = Settings(), at now: Duration) {
        self.nodeID = nodeID
        self.settings = settings
        changedAt = now
    }

    /// - Parameters:
    ///   - members: who is there and takes slots.
    ///   - owners: of the region's slots, as the coordination store has them.
    package mutating func handle(
        members: [HashRing.Node], owners: [SlotID: String], at now: Duration
    ) -> Offer? {
        let sorted = members.sorted { $0.nodeID < $1.nodeID }
        if sorted != nodes {
            nodes = sorted
            ring = HashRing(sorted)
            changedAt = now
            unevenSince = nil
        }
        guard let own = nodes.first(where: { $0.nodeID == nodeID }) else { return nil }
        var held: [String: Int] = [:]
        for owner in owners.values { held[owner, default: 0] += 1 }
        let mine = held[nodeID, default: 0]
        guard Double(mine) > share(own, owners.count) * (1 + settings.imbalance) else {
            unevenSince = nil
            return nil
        }
        let since = unevenSince ?? now
        unevenSince = since
        guard now - since >= settings.lasting, now - changedAt >= settings.calm,
            offeredAt.map({ now - $0 >= settings.pause }) ?? true
        else { return nil }
        guard let offer = best(owners, held, mine) else { return nil }
        offeredAt = now
        return offer
    }

    /// Of my slots the one whose best-ranked node with room stands highest in its order.
    private func best(_ owners: [SlotID: String], _ held: [String: Int], _ mine: Int) -> Offer? {
        var best: (rank: Int, offer: Offer)?
        for slot in owners.filter({ $0.value == nodeID }).keys.sorted() {
            for (rank, node) in ring.ranked(slot).enumerated() where node.nodeID != nodeID {
                let after = held[node.nodeID, default: 0] + 1
                guard node.region == slot.region, after < mine,
                    Double(after) <= share(node, owners.count) * (1 + settings.imbalance)
                else { continue }
                if best.map({ rank < $0.rank }) ?? true { best = (rank, Offer(slot: slot, to: node.nodeID)) }
                break
            }
        }
        return best?.offer
    }

    private func share(_ node: HashRing.Node, _ slots: Int) -> Double {
        let total = nodes.reduce(0) { $0 + ($1.region == node.region ? $1.weight : 0) }
        return total == 0 ? 0 : Double(slots) * Double(node.weight) / Double(total)
    }
}
