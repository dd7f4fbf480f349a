internal import TidegateCore

extension Workload {
    func scheduleFaults() {
        let faults = world.faults
        func times(_ count: Int, _ action: @escaping (SimulatedNode) -> Void) {
            for _ in 0..<(count == 0 ? 0 : world.between(1, count)) {
                world.after(world.roll(end)) { action(world.nodes[world.roll(world.nodes.count)]) }
            }
        }
        switch world.scenario {
        case .standard: break
        case .lostObject:
            world.canLoseObjects = true
            for _ in 0..<6 { world.after(world.between(end / 3, end)) { world.loseObject() } }
        case .clonedOutbox: world.after(world.between(end / 4, end / 2)) { world.cloneOutbox() }
        }
        times(faults.crashes) { node in
            node.crash(isPowerCut: world.happens(faults.powerCuts), losesDisk: world.happens(faults.disksLost))
        }
        times(faults.pauses) { node in
            let length =
                world.roll(4) == 0 ? world.between(10_000_000, 600_000_000) : world.between(100_000, 20_000_000)
            world.pause(node, length)
        }
        times(faults.steals) { node in
            if node.isUp, node.pausedUntil <= world.now { node.claim(world.roll(world.settings.slots)) }
        }
        times(faults.handOffs) { node in
            guard node.pausedUntil <= world.now else { return }
            for slot in node.hosts.keys.sorted() { node.hosts[slot]?.handOff() }
        }
        times(faults.clockJumps) { node in node.wallOffsetMs += Int64(world.between(-3_600_000, 3_600_000)) }
        times(faults.partitions) { node in
            let length = world.between(500_000, 25_000_000)
            let other = world.nodes[world.roll(world.nodes.count)]
            switch world.roll(3) {
            case 0: world.network.cut(node.index, other.index)  // one way
            case 1:
                for one in world.nodes {
                    world.network.cut(node.index, one.index)
                    world.network.cut(one.index, node.index)
                }
            default:
                node.isCutFromCoordination = true
                world.note("node \(node.index) is cut from the coordination store")
            }
            world.after(length) {
                world.network.heal()
                node.isCutFromCoordination = false
            }
        }
        times(faults.outages) { _ in
            world.coordination.setDown(true)
            world.after(world.between(200_000, 15_000_000)) { world.coordination.setDown(false) }
        }
    }
}
