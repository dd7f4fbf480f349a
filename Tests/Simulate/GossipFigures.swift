import TidegateCore
import TidegateTestKit

/// `simulate --gossip [--members N] [--seed S]`: many members of a gossip cluster in virtual time; prints how soon the
/// dead are found, how often the living are taken for dead, and what it costs. `Docs/benchmarks.md` has the comparison.
struct GossipFigures {
    let members: Int
    let seed: UInt64

    func run() {
        print("\(members) members, seed \(seed), virtual time; bytes are before sealing and without UDP and IP headers")
        quiet()
        detection()
        living("1 % loss") { $0.network.loss = 0.01 }
        living("5 % loss") { $0.network.loss = 0.05 }
        living("5 % of members 1 s slow") { world in
            for index in 0..<(members / 20) { world.slowness[index * 20 + 3] = .seconds(1) }
        }
        pauses()
    }

    private func joined(_ salt: UInt64) -> SwimWorld {
        var world = SwimWorld(seed: seed &+ salt, members: members)
        world.run(for: .seconds(90))
        return world
    }

    private func quiet() {
        var world = joined(0)
        let before = world.bytesSent
        world.run(for: .seconds(60))
        let rates = zip(world.bytesSent, before).map { ($0 - $1) / 60 }.sorted()
        print("converged after 90 s: \(world.isConverged); largest datagram \(world.largestDatagram) bytes")
        print(
            "bytes/s sent by a member, nothing happening: p50 \(rates[rates.count / 2]), max \(rates[rates.count - 1])")
    }

    private func detection() {
        var world = joined(1)
        var suspected: [Duration] = []
        var declared: [Duration] = []
        var known: [Duration] = []
        for index in stride(from: 5, to: members, by: max(1, members / 20)) {
            let killed = world.now
            let seen = world.changes.count
            world.kill(index)
            world.run(for: .seconds(20))
            let words = world.changes.dropFirst(seen).filter { $0.member.nodeID == "n\(index)" }
            let dead = words.filter { $0.member.status == .dead }.map { $0.at - killed }
            if let first = words.first(where: { $0.member.status == .suspect }) { suspected.append(first.at - killed) }
            if let first = dead.first { declared.append(first) }
            if dead.count == members - world.dead.count, let last = dead.last { known.append(last) }
        }
        print("killed \(world.dead.count): suspected \(suspected.count), declared dead \(declared.count)")
        for (what, times) in [
            ("first suspicion", suspected), ("first declared dead", declared), ("known to all", known),
        ] {
            print("  \(what): \(times.count) times, \(Self.spread(times))")
        }
    }

    private func living(_ what: String, _ change: (inout SwimWorld) -> Void) {
        var world = joined(2)
        change(&world)
        let (seen, sent) = (world.changes.count, world.bytesSent.reduce(0, +))
        world.run(for: .seconds(300))
        report(what, world, seen, sent, seconds: 300, sick: Set(world.slowness.keys))
    }

    /// Lifeguard's case: some members stand still for seconds, again and again; nobody else may be blamed for it.
    private func pauses() {
        var world = joined(3)
        let (seen, sent) = (world.changes.count, world.bytesSent.reduce(0, +))
        let sick = (0..<(members / 20)).map { $0 * 20 + 3 }
        for _ in 0..<10 {
            for index in sick { world.freeze(index, for: .seconds(16)) }
            world.run(for: .seconds(30))
        }
        report("5 % of members frozen 16 s of every 30 s", world, seen, sent, seconds: 300, sick: Set(sick))
    }

    private func report(_ what: String, _ world: SwimWorld, _ seen: Int, _ sent: Int, seconds: Int, sick: Set<Int>) {
        let names = Set(sick.map { "n\($0)" })
        let dead = world.changes.dropFirst(seen).filter { $0.member.status == .dead }
        let healthy = dead.filter { !names.contains($0.member.nodeID) }
        let suspicions = world.changes.dropFirst(seen).filter {
            $0.member.status == .suspect && !names.contains($0.member.nodeID)
        }
        let bytes = (world.bytesSent.reduce(0, +) - sent) / seconds / members
        print("\(what), \(seconds) s: healthy members declared dead \(Set(healthy.map(\.member.nodeID)).count)")
        print(
            "  (\(healthy.count) views of \(members * (members - 1))), "
                + "healthy members suspected \(Set(suspicions.map(\.member.nodeID)).count), "
                + "sick ones declared dead \(Set(dead.map(\.member.nodeID)).intersection(names).count) of \(names.count), "
                + "\(bytes) bytes/s a member")
    }

    private static func spread(_ times: [Duration]) -> String {
        let sorted = times.map { $0 / .seconds(1) }.sorted()
        guard let last = sorted.last else { return "never" }
        let tenths = { (value: Double) in Double(Int(value * 10)) / 10 }
        return "p50 \(tenths(sorted[sorted.count / 2])) s, max \(tenths(last)) s"
    }
}
