import Testing
import TidegateCore
import TidegateTestKit

@Suite("Gossip among many members")
struct SwimWorldTests {
    private func joined(_ seed: UInt64, _ members: Int = 12, loss: Double = 0) -> SwimWorld {
        var world = SwimWorld(seed: seed, members: members)
        world.network.loss = loss
        world.run(for: .seconds(15))
        return world
    }

    @Test("members that know two seeds find one another, in datagrams that fit", arguments: UInt64(0)..<5)
    func joins(seed: UInt64) {
        let world = joined(seed)
        #expect(world.isConverged)
        #expect(world.largestDatagram <= SwimPacket.plainBytesMax)
        #expect(world.cores.allSatisfy { $0.counters.malformed == 0 })
    }

    @Test("one that dies is dead to everybody in time, and stays dead", arguments: UInt64(0)..<10)
    func detects(seed: UInt64) {
        var world = joined(seed, loss: 0.01)
        world.kill(5)
        let killed = world.now
        world.run(for: .seconds(20))
        #expect(world.isConverged)
        let first = world.changes.first { $0.at > killed && $0.member.nodeID == "n5" && $0.member.status == .dead }
        #expect(first.map { $0.at - killed < .seconds(12) } == true)
        let resurrected = world.changes.drop { $0.at <= killed + .seconds(20) }
        world.run(for: .seconds(60))
        #expect(resurrected.isEmpty)
        #expect(!world.changes.contains { $0.at > killed + .seconds(20) && $0.member.nodeID == "n5" })
    }

    @Test("nobody is declared dead by a lossy network alone", arguments: UInt64(0)..<5)
    func loss(seed: UInt64) {
        var world = joined(seed)
        world.network.loss = 0.05
        world.run(for: .seconds(120))
        #expect(!world.changes.contains { $0.member.status == .dead })
    }

    @Test("a member frozen for a moment refutes; it blames nobody", arguments: UInt64(0)..<5)
    func frozen(seed: UInt64) {
        var world = joined(seed)
        world.freeze(3, for: .seconds(20))
        world.run(for: .seconds(60))
        #expect(world.isConverged)
        #expect(world.cores[3].own.incarnation > 0)
        #expect(!world.changes.contains { $0.observer == 3 && $0.member.status == .dead })
        #expect(world.changes.contains { $0.member.nodeID == "n3" && $0.member.status == .dead })
    }

    @Test("a member that is slow accuses few and kills nobody", arguments: UInt64(0)..<5)
    func slow(seed: UInt64) {
        var world = joined(seed)
        world.slowness[4] = .milliseconds(700)
        world.run(for: .seconds(60))
        #expect(world.cores[4].health > 0)
        #expect(!world.changes.contains { $0.member.nodeID != "n4" && $0.member.status == .dead })
    }

    @Test("halves that were cut off find together again", arguments: UInt64(0)..<5)
    func partition(seed: UInt64) {
        var world = joined(seed)
        for index in 0..<6 { world.group[index] = 1 }
        world.run(for: .seconds(40))
        #expect(world.status(of: 0, by: 11) == .dead)
        #expect(world.status(of: 11, by: 0) == .dead)
        world.group = [:]
        world.run(for: .seconds(60))
        #expect(world.isConverged)
    }

    @Test("a restarted node is known by its new process, whatever was said of the old", arguments: UInt64(0)..<5)
    func restart(seed: UInt64) {
        var world = joined(seed)
        world.kill(7)
        world.run(for: .seconds(seed.isMultiple(of: 2) ? 1 : 30))
        world.restart(7)
        world.run(for: .seconds(40))
        #expect(world.isConverged)
        let process = world.cores[7].own.profile.process
        #expect(world.cores[0].member("n7")?.profile.process == process)
    }

    @Test("one that leaves has left, for everybody, and was never suspect", arguments: UInt64(0)..<5)
    func leaves(seed: UInt64) {
        var world = joined(seed)
        world.tell(2, .leave)
        world.run(for: .seconds(15))
        #expect(world.hasLeft == [2])
        #expect(world.isConverged)
        #expect((0..<12).allSatisfy { $0 == 2 || world.status(of: 2, by: $0) == .left })
    }
}
