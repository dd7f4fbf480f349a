internal import Synchronization

/// Counts the open connections of all loops and says when there is no room for one more.
final class ConnectionGate: Sendable {
    private let open = Atomic<Int>(0)
    private let limit: Int
    private let metrics: DataPlaneMetrics

    init(limit: Int, metrics: DataPlaneMetrics) {
        self.limit = limit
        self.metrics = metrics
    }

    var count: Int { open.load(ordering: .relaxed) }

    /// Asked when a connection was accepted, before anything is read from it.
    func hasRoom() -> Bool {
        guard count < limit else {
            metrics.count(.connectionRefused)
            return false
        }
        return true
    }

    func opened() { open.add(1, ordering: .relaxed) }
    func closed() { open.subtract(1, ordering: .relaxed) }
    func report() { metrics.connections(count) }
}
