import Testing
import TidegateCore
import TidegateTestKit

@Suite("Gossip datagrams")
struct SwimPacketTests {
    private static func profile(_ random: inout SeededGenerator) -> MemberProfile {
        MemberProfile(
            process: IncarnationID(random: &random), region: "eu", zone: "eu-1", gossipAddress: "10.0.0.1:8788",
            peerAddress: "10.0.0.1:8788", phase: .draining, capacity: random.next(), slots: random.next(),
            backlogBytes: random.next(), configRevision: random.next())
    }

    private static let kinds: [SwimPacket.Kind] = [
        .ping(1, target: "b"), .pingRequest(.max, target: "b", address: "h:1"), .ack(0), .nack(300), .gossip,
        .sync(wantsAnswer: true), .sync(wantsAnswer: false),
    ]

    private static func packet(_ kind: SwimPacket.Kind, _ random: inout SeededGenerator) -> SwimPacket {
        let updates = Member.Status.allCases.map {
            SwimUpdate(
                nodeID: "node-\($0)", incarnation: random.next(), status: $0, accuser: $0 == .suspect ? "x" : nil,
                profile: $0 == .dead ? nil : profile(&random))
        }
        return SwimPacket(sender: "a", senderAddress: "10.0.0.9:1", kind: kind, updates: updates)
    }

    @Test("come back as they went", arguments: 0..<7)
    func roundTrip(kind: Int) throws {
        var random = SeededGenerator(seed: UInt64(kind))
        let packet = Self.packet(Self.kinds[kind], &random)
        #expect(try SwimPacket(decoding: packet.encoded()) == packet)
    }

    @Test("cut off or changed anywhere, they are refused or read, never a trap", arguments: 0..<7)
    func damaged(kind: Int) {
        var random = SeededGenerator(seed: UInt64(kind) + 100)
        let bytes = Self.packet(Self.kinds[kind], &random).encoded()
        for length in 0..<bytes.count { _ = try? SwimPacket(decoding: Array(bytes.prefix(length))) }
        for _ in 0..<2_000 {
            var damaged = bytes
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                damaged[Int.random(in: damaged.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            _ = try? SwimPacket(decoding: damaged)
        }
    }

    @Test("random bytes leave a member as it was")
    func noise() {
        var random = SeededGenerator(seed: 9)
        let own = Member(nodeID: "a", profile: Self.profile(&random))
        var core = SwimCore(own: own, seeds: [], settings: SwimSettings(), at: .zero)
        for index in 0..<3_000 {
            let bytes = random.bytes(index % 300)
            let effects = core.handle(.received([UInt8](bytes)), at: .zero, random: &random)
            #expect(effects.isEmpty)
        }
        #expect(core.members.isEmpty)
        #expect(core.counters.malformed == 3_000)
    }

    @Test("a table that is full takes nobody else")
    func bounded() {
        var random = SeededGenerator(seed: 1)
        var settings = SwimSettings()
        settings.membersMax = 10
        let own = Member(nodeID: "a", profile: Self.profile(&random))
        var core = SwimCore(own: own, seeds: [], settings: settings, at: .zero)
        for index in 0..<50 {
            let update = SwimUpdate(
                nodeID: "m\(index)", incarnation: .max, status: .alive, profile: Self.profile(&random))
            let packet = SwimPacket(sender: "m", senderAddress: "h:1", kind: .gossip, updates: [update])
            _ = core.handle(.received(packet.encoded()), at: .zero, random: &random)
        }
        #expect(core.members.count == 9)
        #expect(core.counters.tableFull == 41)
    }
}
