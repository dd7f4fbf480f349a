internal import Logging
internal import ServiceLifecycle
internal import Synchronization
internal import TidegateCluster
internal import TidegateCore
internal import TidegateObjects

/// Gossip as the rest of the node sees it: who looks dead, and what others are told about this node.
final class GossipMembers: MemberList, Service {
    private let own: MemberView
    private let slots: @Sendable () -> Int
    private let backlog: @Sendable () -> UInt64
    private let node = Mutex<GossipNode?>(nil)
    private static let updateInterval = Duration.seconds(5)

    /// - Parameters:
    ///   - slots: that this node serves.
    ///   - backlog: bytes of rows that wait for an owner.
    init(_ own: MemberView, slots: @escaping @Sendable () -> Int, backlog: @escaping @Sendable () -> UInt64) {
        self.own = own
        self.slots = slots
        self.backlog = backlog
    }

    /// Binds the socket. Until then nobody but this node is there.
    func start(_ gossip: GossipNode) async throws(TidegateError) {
        try await gossip.start()
        node.withLock { $0 = gossip }
    }

    func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            while (try? await Task.sleep(for: Self.updateInterval)) != nil {
                let (slots, backlog) = (UInt64(slots()), backlog())
                node.withLock { $0 }?.update {
                    $0.slots = slots
                    $0.backlogBytes = backlog
                }
            }
        }
        // A service that ends stops the node.
        try? await gracefulShutdown()
        await stop()
    }

    func enter(_ phase: MemberProfile.Phase) { node.withLock { $0 }?.update { $0.phase = phase } }

    func stop() async {
        let gossip = node.withLock { $0 }
        await gossip?.leave()
        await gossip?.stop()
    }

    var deadIncarnations: Set<String> {
        guard let members = node.withLock({ $0 })?.members else { return [] }
        return Set(members.others(.dead).map(\.profile.process.description))
    }

    var members: [MemberView] {
        guard let members = node.withLock({ $0 })?.members else { return [own] }
        let others = members.others.values.map {
            MemberView(node: $0.nodeID, region: $0.profile.region, state: "\($0.status)")
        }
        return ([own] + others).sorted { $0.node < $1.node }
    }
}
