import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing
import TidegateCore
import TidegateTestKit

@testable import TidegateCluster

/// Real nodes on loopback, some ten times as fast as in earnest.
struct GossipFixture {
    static func settings(seeds: [String] = []) -> GossipSettings {
        var settings = GossipSettings()
        settings.port = 0
        settings.seeds = seeds
        settings.profileInterval = .milliseconds(100)
        settings.swim.probeInterval = .milliseconds(100)
        settings.swim.pingTimeout = .milliseconds(40)
        settings.swim.suspicionMin = .milliseconds(300)
        settings.swim.suspicionMax = .milliseconds(1_200)
        settings.swim.gossipInterval = .milliseconds(30)
        settings.swim.syncInterval = .seconds(2)
        settings.swim.reconnectInterval = .milliseconds(500)
        settings.swim.joinPauseMin = .milliseconds(50)
        settings.swim.joinPauseMax = .milliseconds(500)
        settings.swim.leaveTime = .milliseconds(300)
        return settings
    }

    static func ring(_ seeds: UInt64...) throws -> GossipKeyRing {
        try GossipKeyRing(seeds.map { try GossipSealTests.key($0) })
    }

    static func node(
        _ id: String, _ settings: GossipSettings, keys: GossipKeyRing, wallClock: any WallClock = ManualWallClock()
    ) throws -> GossipNode {
        var random = SystemRandomNumberGenerator()
        let profile = MemberProfile(
            process: IncarnationID(random: &random), region: "eu", zone: "eu-1", gossipAddress: "",
            peerAddress: "127.0.0.1:1", phase: .active)
        return try GossipNode(
            settings: settings, nodeID: id, profile: profile, keys: keys, wallClock: wallClock,
            logger: Logger(label: id) { _ in SwiftLogNoOpLogHandler() })
    }

    /// Nodes `n0`, `n1`, … that know one another; they are stopped afterwards.
    static func withNodes(_ count: Int, _ work: ([GossipNode]) async throws -> Void) async throws {
        var nodes: [GossipNode] = []
        do {
            for index in 0..<count {
                let node = try Self.node(
                    "n\(index)", settings(seeds: nodes.compactMap(\.address)), keys: try ring(1))
                nodes.append(node)
                try await node.start()
            }
            let all = nodes
            guard await eventually({ all.allSatisfy { $0.members.count(.alive) == count } }) else {
                throw TidegateError(.unavailable, "The nodes did not find one another.")
            }
            try await work(nodes)
        } catch {
            for node in nodes { await node.stop() }
            throw error
        }
        for node in nodes { await node.stop() }
    }
}

/// Waits for something that happens by itself, some time after its cause. An error is a no.
func eventually(_ condition: () async throws -> Bool) async -> Bool {
    for _ in 0..<4_000 {
        if (try? await condition()) == true { return true }
        try? await Task.sleep(for: .milliseconds(5))
    }
    return false
}

/// Somebody with a socket of its own, who writes what it likes and reads nothing.
final class GossipStranger: Sendable {
    private let channel: any Channel

    init() async throws {
        channel = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(DatagramCounter())
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    var address: String { "127.0.0.1:\(channel.localAddress?.port ?? 0)" }

    func send(_ bytes: [UInt8], to node: GossipNode) async throws {
        let target = try #require(node.address.flatMap { GossipAddress($0) })
        let envelope = AddressedEnvelope(
            remoteAddress: try SocketAddress(ipAddress: target.host, port: target.port),
            data: ByteBuffer(bytes: bytes))
        try await channel.writeAndFlush(envelope)
    }

    /// Datagrams that came.
    func received() async throws -> Int {
        try await channel.pipeline.handler(type: DatagramCounter.self).map(\.count).get()
    }

    func close() async throws { try await channel.close() }
}

private final class DatagramCounter: ChannelInboundHandler, Sendable {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>
    private let total = Atomic<Int>(0)
    var count: Int { total.load(ordering: .relaxed) }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) { total.wrappingAdd(1, ordering: .relaxed) }
}
