package import Logging
internal import NIOCore
internal import NIOPosix
internal import Synchronization
package import TidegateCore

/// This node's part in the gossip: a UDP socket on a thread of its own, and a picture of who is there.
///
/// All it says is advice (protocol, idea 2). `init`, `start`, then at any time `members`, `changes`, `update`; at the end
/// `leave`, so that nobody looks for this node, and `stop`. One that was stopped is not started again.
package final class GossipNode: Sendable {
    private enum State {
        case idle, starting
        case running(any Channel, NIOLoopBound<GossipDriver>, MultiThreadedEventLoopGroup)
        case stopped
    }

    private let settings: GossipSettings
    private let own: Member
    private let ring: Mutex<GossipKeyRing>
    private let wallClock: any WallClock
    private let logger: Logger
    private let shared: GossipShared
    private let state = Mutex(State.idle)

    private static let receiveBufferBytes = 1 << 20
    /// A whole table of 1 024 members fits.
    private static let sendBufferBytes = 512 << 10
    /// What leaving may take beyond the time that the core gives it.
    private static let leaveGrace = TimeAmount.seconds(1)

    /// - Parameters:
    ///   - profile: what is told about this node; its `gossipAddress` is filled in by `start`.
    ///   - wallClock: dates datagrams; must be right to `settings.freshness` when nodes meet for the first time.
    /// - Throws: `.invalidConfiguration` for settings, names or addresses that others would refuse.
    package init(
        settings: GossipSettings, nodeID: String, profile: MemberProfile, keys: GossipKeyRing,
        wallClock: any WallClock, logger: Logger
    ) throws(TidegateError) {
        try settings.check()
        for (what, text) in [
            ("node id", nodeID), ("region", profile.region), ("zone", profile.zone),
            ("peer address", profile.peerAddress), ("gossip address", settings.advertisedAddress ?? settings.host),
        ] where text.isEmpty || text.utf8.count > SwimPacket.nameBytesMax {
            throw TidegateError(
                .invalidConfiguration,
                "The \(what) '\(text)' cannot be gossiped: it must have 1 to \(SwimPacket.nameBytesMax) bytes.")
        }
        self.settings = settings
        self.wallClock = wallClock
        self.logger = logger
        ring = Mutex(keys)
        own = Member(nodeID: nodeID, profile: profile)
        shared = GossipShared(own: own)
    }

    /// Who is there, as of now. Never waits. Before `start`: this node alone.
    package var members: GossipMembership { shared.membership }

    package var counts: GossipCounts { shared.counts }

    /// `host:port` that the others are told; `nil` while this node does not run.
    package var address: String? {
        state.withLock { if case .running = $0 { shared.membership.own.profile.gossipAddress } else { nil } }
    }

    /// Each member whose status, incarnation or profile is new, from now on, until `stop`. Each call is a stream of its own.
    /// One who reads slowly loses the oldest of 4 096 (`tidegate_gossip_changes_missed_total`): `members` is the truth.
    package var changes: AsyncStream<Member> { shared.listen() }

    /// Binds the socket and begins to look for the others; returns without waiting for them.
    /// - Throws: `.invalidConfiguration` when the address cannot be bound; `.conflict` for a second start.
    package func start() async throws(TidegateError) {
        let isFirst = state.withLock { state in
            guard case .idle = state else { return false }
            state = .starting
            return true
        }
        guard isFirst else { throw TidegateError(.conflict, "Gossip is started once.") }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        do {
            let channel = try await bind(group)
            let driver = try await channel.eventLoop.submit { try self.addDriver(to: channel) }.get()
            let isWanted = state.withLock { state in
                guard case .starting = state else { return false }
                state = .running(channel, driver, group)
                return true
            }
            guard isWanted else { throw TidegateError(.conflict, "Gossip was stopped while it started.") }
            use(ring.withLock { $0 })  // it may have changed meanwhile
            logger.info("Gossip listens", metadata: ["address": "\(shared.membership.own.profile.gossipAddress)"])
        } catch {
            shared.stop()
            state.withLock { $0 = .stopped }
            try? await group.shutdownGracefully()
            if let error = error as? TidegateError { throw error }
            throw TidegateError(
                .invalidConfiguration,
                "Gossip cannot listen on UDP \(settings.host):\(settings.port): is another process there?", cause: error
            )
        }
    }

    private func bind(_ group: MultiThreadedEventLoopGroup) async throws -> any Channel {
        try await DatagramBootstrap(group: group)
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 2_048))
            .channelOption(.socketOption(.so_rcvbuf), value: Self.receiveBufferBytes)
            .channelOption(
                .writeBufferWaterMark,
                value: ChannelOptions.Types.WriteBufferWaterMark(
                    low: Self.sendBufferBytes / 2, high: Self.sendBufferBytes)
            )
            .bind(host: settings.host, port: settings.port).get()
    }

    /// On the event loop: no datagram can come between the look at the address and the driver.
    private func addDriver(to channel: any Channel) throws -> NIOLoopBound<GossipDriver> {
        guard let bound = channel.localAddress, let port = bound.port else {
            throw TidegateError(.internalError, "A bound socket has no address.")
        }
        let isIPv6 = if case .v6 = bound { true } else { false }
        var own = own
        let host = settings.host.contains(":") ? "[\(settings.host)]" : settings.host
        own.profile.gossipAddress = settings.advertisedAddress ?? "\(host):\(port)"
        let driver = GossipDriver(
            own: own, settings: settings, ring: ring.withLock { $0 }, wallClock: wallClock, shared: shared,
            loop: channel.eventLoop, isIPv6: isIPv6, logger: logger)
        shared.publish(GossipMembership(own: own))
        try channel.pipeline.syncOperations.addHandler(driver)
        return NIOLoopBound(driver, eventLoop: channel.eventLoop)
    }

    /// Changes what is told about this node: `phase` at once, the rest at most once in `settings.profileInterval`, the
    /// latest wins. `process` and `gossipAddress` stay what they are. Nothing happens while the node does not run.
    package func update(_ change: @escaping @Sendable (inout MemberProfile) -> Void) {
        onLoop { $0.update(change) }
    }

    /// Seals and opens with other keys from now on, without a gap (`GossipKeyRing` has the order of a rotation).
    package func use(_ keys: GossipKeyRing) {
        ring.withLock { $0 = keys }
        onLoop { $0.use(keys) }
    }

    /// Tells the others that this node goes on purpose; they neither suspect it nor look for it. Returns when they had
    /// `swim.leaveTime` to hear it, a second later at the latest. From then on this node answers nobody.
    package func leave() async {
        guard case .running(let channel, let driver, _) = state.withLock({ $0 }) else { return }
        let left = channel.eventLoop.makePromise(of: Void.self)
        let limit = settings.swim.leaveTime / .nanoseconds(1)
        channel.eventLoop.execute {
            guard let done = driver.value.leave() else { return left.succeed() }
            let deadline = channel.eventLoop.scheduleTask(
                in: .nanoseconds(Int64(clamping: Int128(limit))) + Self.leaveGrace
            ) { left.succeed() }
            done.whenComplete { _ in
                deadline.cancel()
                left.succeed()
            }
        }
        try? await left.futureResult.get()
    }

    /// Closes the socket without a word; after `leave` nobody minds. Ends `changes`. `members` stays what it was.
    package func stop() async {
        shared.stop()
        let before = state.withLock { state in
            defer { state = .stopped }
            return state
        }
        guard case .running(let channel, _, let group) = before else { return }
        try? await channel.close()
        try? await group.shutdownGracefully()
    }

    private func onLoop(_ work: @escaping @Sendable (GossipDriver) -> Void) {
        guard case .running(let channel, let driver, _) = state.withLock({ $0 }) else { return }
        channel.eventLoop.execute { work(driver.value) }
    }
}
