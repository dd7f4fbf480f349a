/// What happens when, in the order of time, then of being asked for.
struct EventQueue {
    struct Item {
        /// Microseconds since the world began.
        let at: Int
        let order: Int
        /// Whose event it is: gone when that process is, late when it is paused. `nil` is the world's own.
        let owner: (node: Int, life: Int)?
        let action: () -> Void
    }

    private var heap: [Item] = []
    private var order = 0

    var isEmpty: Bool { heap.isEmpty }
    var count: Int { heap.count }

    mutating func push(at time: Int, owner: (node: Int, life: Int)?, _ action: @escaping () -> Void) {
        order += 1
        heap.append(Item(at: time, order: order, owner: owner, action: action))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard isBefore(child, parent) else { break }
            heap.swapAt(child, parent)
            child = parent
        }
    }

    mutating func pop() -> Item? {
        guard let last = heap.popLast() else { return nil }
        guard let first = heap.first else { return last }
        heap[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && isBefore(child, least) {
                least = child
            }
            if least == parent { return first }
            heap.swapAt(parent, least)
            parent = least
        }
    }

    mutating func removeAll() { heap = [] }

    private func isBefore(_ one: Int, _ other: Int) -> Bool {
        heap[one].at != heap[other].at ? heap[one].at < heap[other].at : heap[one].order < heap[other].order
    }
}
