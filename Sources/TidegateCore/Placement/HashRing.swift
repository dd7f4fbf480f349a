internal import CXXHash

/// Which nodes should rather have which slot. A preference and nothing more: it ranks claimers and finds moves worth
/// offering; who owns a slot stands in the coordination store (A19).
///
/// Deterministic across processes and versions: a change of the hash or of the order is a change of format.
package struct HashRing: Sendable {
    package struct Node: Hashable, Sendable {
        package var nodeID: String
        package var region: String
        /// Relative share of slots. 0: takes none.
        package var weight: Int
        /// Where data may lie that this node may touch; empty means everywhere that has no rule (A26).
        package var jurisdictions: Set<String>

        package init(nodeID: String, region: String, weight: Int = 1, jurisdictions: Set<String> = []) {
            self.nodeID = nodeID
            self.region = region
            self.weight = min(max(0, weight), HashRing.weightMax)
            self.jurisdictions = jurisdictions
        }
    }

    private struct Point: Sendable {
        var hash: UInt64
        var node: Int
    }

    package static let weightMax = 64
    /// Points of a node of weight 1: at 16 nodes the fullest has less than 1.25 times the mean.
    package static let pointsPerWeight = 256
    /// A node takes at most this share of the mean while others have room.
    package static let loadFactor = 1.25

    package let nodes: [Node]
    private let points: [Point]

    package init(_ members: some Collection<Node>) {
        var byID: [String: Node] = [:]
        for node in members { byID[node.nodeID] = node }
        let nodes = byID.values.sorted { $0.nodeID < $1.nodeID }
        var points: [Point] = []
        for (index, node) in nodes.enumerated() {
            for copy in 0..<(node.weight * Self.pointsPerWeight) {
                points.append(Point(hash: Self.hash("\(node.nodeID)#\(copy)"), node: index))
            }
        }
        points.sort { ($0.hash, $0.node) < ($1.hash, $1.node) }
        self.nodes = nodes
        self.points = points
    }

    /// Every node that may hold `slot`, best first: those of its home region, then the others, each in ring order.
    package func ranked(_ slot: SlotID, jurisdiction: String? = nil) -> [Node] {
        let walk = walk(from: Self.hash(slot.description))
            .filter { jurisdiction.map($0.jurisdictions.contains) ?? true }
        return walk.filter { $0.region == slot.region } + walk.filter { $0.region != slot.region }
    }

    /// As `ranked`, but whoever holds its fair share already comes behind everybody with room.
    /// - Parameter held: slots per node now. Wrong figures cost time, not safety.
    package func claimers(
        of slot: SlotID, jurisdiction: String? = nil, held: [String: Int], slots: Int
    ) -> [Node] {
        let ranked = ranked(slot, jurisdiction: jurisdiction)
        let hasRoom = { (node: Node) in held[node.nodeID, default: 0] < capacity(of: node, slots: slots) }
        let home = ranked.filter { $0.region == slot.region }
        let away = ranked.filter { $0.region != slot.region }
        return home.filter(hasRoom) + away.filter(hasRoom) + ranked.filter { !hasRoom($0) }
    }

    /// Where everything would lie if nothing had history: bounded loads, slot by slot in order.
    package func placement(_ slots: some Collection<SlotID>) -> [SlotID: String] {
        var held: [String: Int] = [:]
        var placed: [SlotID: String] = [:]
        for slot in slots.sorted() {
            let home = slots.count { $0.region == slot.region }
            guard let node = claimers(of: slot, held: held, slots: home).first else { continue }
            held[node.nodeID, default: 0] += 1
            placed[slot] = node.nodeID
        }
        return placed
    }

    /// - Parameter slots: of the node's region.
    package func capacity(of node: Node, slots: Int) -> Int {
        let total = nodes.reduce(0) { $0 + ($1.region == node.region ? $1.weight : 0) }
        guard total > 0, node.weight > 0 else { return 0 }
        return Int((Double(slots) * Double(node.weight) / Double(total) * Self.loadFactor).rounded(.up))
    }

    private func walk(from hash: UInt64) -> [Node] {
        guard !points.isEmpty else { return [] }
        var (low, high) = (0, points.count)
        while low < high {
            let middle = (low + high) / 2
            if points[middle].hash < hash { low = middle + 1 } else { high = middle }
        }
        var seen = Set<Int>()
        var found: [Node] = []
        for step in points.indices {
            let point = points[(low + step) % points.count]
            if seen.insert(point.node).inserted { found.append(nodes[point.node]) }
            if found.count == nodes.count { break }
        }
        return found
    }

    static func hash(_ text: String) -> UInt64 {
        Array(text.utf8).withUnsafeBytes { XXH3_64bits($0.baseAddress, $0.count) }
    }
}
