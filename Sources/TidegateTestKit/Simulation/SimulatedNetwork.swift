/// Messages between nodes: lost, doubled, late, and cut one way.
final class SimulatedNetwork {
    private unowned let world: World
    private var cuts: Set<[Int]> = []

    init(_ world: World) { self.world = world }

    /// - Parameter arrive: runs at `to`, once or twice or never.
    func send(from: Int, to: Int, _ arrive: @escaping () -> Void) {
        guard !cuts.contains([from, to]), !world.happens(world.faults.messageLost) else { return }
        deliver(from: from, to: to, arrive)
        if world.happens(world.faults.messageDoubled) { deliver(from: from, to: to, arrive) }
    }

    private func deliver(from: Int, to: Int, _ arrive: @escaping () -> Void) {
        let delay =
            world.happens(world.faults.messageSlow)
            ? world.between(20_000, 5_000_000) : world.between(100, from == to ? 200 : 5_000)
        world.after(delay) { [world] in
            let node = world.nodes[to]
            guard node.isUp else { return }
            world.after(0, of: node, arrive)
        }
    }

    func cut(_ from: Int, _ to: Int) {
        world.note("cut \(from) → \(to)")
        cuts.insert([from, to])
    }

    func heal() {
        if !cuts.isEmpty { world.note("network whole") }
        cuts = []
    }
}
