import Logging
import Testing
import TidegateCore
import TidegateTestKit

@testable import TidegateCluster

@Suite("Gossip over real sockets", .serialized, .timeLimit(.minutes(2)))
struct GossipNodeTests {
    @Test("nodes find one another through a seed; one that stops is dead to the others, and only that one")
    func death() async throws {
        try await GossipFixture.withNodes(4) { nodes in
            var changes = nodes[0].changes.makeAsyncIterator()
            await nodes[3].stop()
            for node in nodes.dropLast() {
                #expect(await eventually { node.members.others["n3"]?.status == .dead })
                #expect(await eventually { node.members.count(.alive) == 3 })
            }
            var seen: [Member.Status] = []
            while let change = await changes.next() {
                if change.nodeID == "n3" { seen.append(change.status) }
                if seen.last == .dead { break }
            }
            #expect(seen.contains(.suspect))
            #expect(nodes[3].address == nil)
            #expect(await nodes[3].changes.first { _ in true } == nil)
        }
    }

    @Test("one that leaves has left, and was never suspect")
    func leaving() async throws {
        try await GossipFixture.withNodes(3) { nodes in
            let changes = nodes[0].changes
            await nodes[2].leave()
            await nodes[2].stop()
            for node in nodes.prefix(2) {
                #expect(await eventually { node.members.others["n2"]?.status == .left })
            }
            for await change in changes where change.nodeID == "n2" {
                #expect(change.status == .left)
                if change.status == .left { break }
            }
        }
    }

    @Test("a restarted node is known by its new process")
    func restart() async throws {
        try await GossipFixture.withNodes(3) { nodes in
            await nodes[1].stop()
            let again = try GossipFixture.node(
                "n1", GossipFixture.settings(seeds: [try #require(nodes[0].address)]), keys: try GossipFixture.ring(1))
            try await again.start()
            let process = again.members.own.profile.process
            for node in [nodes[0], nodes[2]] {
                #expect(
                    await eventually {
                        let member = node.members.others["n1"]
                        return member?.profile.process == process && member?.status == .alive
                    })
            }
            await again.stop()
        }
    }

    @Test("what a node says about itself reaches the others; who it is does not change")
    func profile() async throws {
        try await GossipFixture.withNodes(3) { nodes in
            let address = try #require(nodes[1].address)
            nodes[1].update { $0.slots = 7 }
            nodes[1].update {
                $0.backlogBytes = 9
                $0.gossipAddress = "somewhere:1"
            }
            nodes[1].update { $0.phase = .draining }
            for node in nodes where node !== nodes[1] {
                #expect(
                    await eventually {
                        let profile = node.members.others["n1"]?.profile
                        return profile?.slots == 7 && profile?.backlogBytes == 9 && profile?.phase == .draining
                    })
                #expect(node.members.others["n1"]?.profile.gossipAddress == address)
            }
        }
    }

    @Test("many small changes are told in few words")
    func coalescing() async throws {
        try await GossipFixture.withNodes(2) { nodes in
            let before = nodes[0].members.own.incarnation
            for slots in 1...500 { nodes[0].update { $0.slots = UInt64(slots) } }
            #expect(await eventually { nodes[1].members.others["n0"]?.profile.slots == 500 })
            // One at once, one when the pause is over; more only if a busy machine made them refute a suspicion.
            #expect(nodes[0].members.own.incarnation - before < 50)
        }
    }

    @Test("without the cluster's key nobody gets in, or an answer")
    func wrongKey() async throws {
        try await GossipFixture.withNodes(2) { nodes in
            let stranger = try GossipFixture.node(
                "stranger", GossipFixture.settings(seeds: nodes.compactMap(\.address)),
                keys: try GossipFixture.ring(2))
            try await stranger.start()
            #expect(await eventually { (nodes[0].counts.dropped[.incoming(.unknownKey)] ?? 0) >= 3 })
            #expect(nodes.allSatisfy { $0.members.others["stranger"] == nil })
            #expect(stranger.counts.received == 0)
            #expect(stranger.members.others.isEmpty)
            await stranger.stop()
        }
    }

    @Test("keys are rotated under running nodes")
    func rotation() async throws {
        try await GossipFixture.withNodes(3) { nodes in
            for ring in [[1, 2], [2, 1], [2]] as [[UInt64]] {
                let keys = try GossipKeyRing(ring.map { try GossipSealTests.key($0) })
                for node in nodes { node.use(keys) }
                let sent = nodes.map(\.counts.received)
                #expect(await eventually { zip(nodes, sent).allSatisfy { $0.counts.received > $1 + 20 } })
            }
            #expect(await eventually { nodes.allSatisfy { $0.members.count(.alive) == 3 } })
        }
    }

    @Test("a datagram that comes twice counts once; answers go to the address inside the seal")
    func replay() async throws {
        try await GossipFixture.withNodes(1) { nodes in
            let (sender, named) = (try await GossipStranger(), try await GossipStranger())
            let now = ManualWallClock().milliseconds()
            var seal = GossipSeal(ring: try GossipFixture.ring(1), sender: 42, at: now)
            let ping = SwimPacket(sender: "ghost", senderAddress: named.address, kind: .ping(1, target: "n0"))
            let sealed = try seal.seal(ping.encoded(), at: now)
            for _ in 0..<5 { try await sender.send(sealed, to: nodes[0]) }
            #expect(await eventually { nodes[0].counts.dropped[.incoming(.replayed)] == 4 })
            #expect(await eventually { try await named.received() == 1 })
            // What is not sealed at all is not answered either, to whomever it came from.
            for _ in 0..<5 { try await sender.send(ping.encoded(), to: nodes[0]) }
            #expect(await eventually { nodes[0].counts.dropped[.incoming(.foreign)] == 5 })
            let answers = (sender: try await sender.received(), named: try await named.received())
            #expect(answers == (0, 1))
            try await sender.close()
            try await named.close()
        }
    }

    @Test("seeds may be names; one that means the node itself is not asked")
    func names() async throws {
        try await GossipFixture.withNodes(1) { nodes in
            let port = try #require(nodes[0].address.flatMap { GossipAddress($0)?.port })
            var settings = GossipFixture.settings(
                seeds: ["localhost:\(port)", "no-such-host.invalid:\(port)"])
            settings.swim.joinPauseMax = .milliseconds(100)
            let other = try GossipFixture.node("other", settings, keys: try GossipFixture.ring(1))
            try await other.start()
            #expect(await eventually { other.members.count(.alive) == 2 })
            #expect(await eventually { nodes[0].members.count(.alive) == 2 })
            await other.stop()
        }
    }

    private func code(of node: GossipNode) async -> TidegateError.Code? {
        do throws(TidegateError) {
            try await node.start()
            return nil
        } catch { return error.code }
    }

    @Test("a port that is taken, a second start, a stop before the start: each says so")
    func starting() async throws {
        try await GossipFixture.withNodes(1) { nodes in
            var settings = GossipFixture.settings()
            settings.port = try #require(nodes[0].address.flatMap { GossipAddress($0)?.port })
            let second = try GossipFixture.node("second", settings, keys: try GossipFixture.ring(1))
            #expect(await code(of: second) == .invalidConfiguration)
            #expect(await code(of: nodes[0]) == .conflict)
            let unstarted = try GossipFixture.node("third", GossipFixture.settings(), keys: try GossipFixture.ring(1))
            await unstarted.leave()
            await unstarted.stop()
            #expect(await code(of: unstarted) == .conflict)
        }
    }

    @Test(
        "settings that cannot work are refused",
        arguments: [
            { $0.host = "0.0.0.0" }, { $0.seeds = ["nowhere"] }, { $0.seeds = ["::1:80"] }, { $0.seeds = ["h:0"] },
            { $0.advertisedAddress = "h:70000" }, { $0.advertisedAddress = String(repeating: "h", count: 70) + ":1" },
            { $0.seeds = Array(repeating: "h:1", count: 65) },
        ] as [@Sendable (inout GossipSettings) -> Void])
    func refused(change: @Sendable (inout GossipSettings) -> Void) throws {
        var settings = GossipFixture.settings()
        change(&settings)
        #expect(throws: TidegateError.self) {
            try GossipFixture.node("n", settings, keys: try GossipFixture.ring(1))
        }
    }
}
