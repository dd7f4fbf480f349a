/// What is still to be told, at most one word per member; what was told least often goes first.
struct SwimNews: Sendable {
    private struct Item: Sendable {
        var bytes: [UInt8]
        var times = 0
        var order: UInt64
    }

    private var items: [String: Item] = [:]
    private var order: UInt64 = 0

    var isEmpty: Bool { items.isEmpty }

    mutating func put(_ update: SwimUpdate) {
        order += 1
        items[update.nodeID] = Item(bytes: update.encoded(), order: order)
    }

    mutating func drop(_ nodeID: String) { items[nodeID] = nil }

    /// Updates that fit in `bytes`. One that was told `timesMax` times is forgotten.
    mutating func take(bytes: Int, timesMax: Int, without: [SwimUpdate]) -> [[UInt8]] {
        guard !items.isEmpty else { return [] }
        var room = bytes
        var taken: [[UInt8]] = []
        let skipped = Set(without.map(\.nodeID))
        let sorted = items.sorted { ($0.value.times, $1.value.order) < ($1.value.times, $0.value.order) }
        for (nodeID, item) in sorted where item.bytes.count <= room && !skipped.contains(nodeID) {
            room -= item.bytes.count
            taken.append(item.bytes)
            if item.times + 1 >= timesMax { items[nodeID] = nil } else { items[nodeID]?.times += 1 }
        }
        return taken
    }
}
