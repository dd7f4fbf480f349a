internal import Logging
internal import NIOCore
internal import NIOPosix
internal import ServiceLifecycle
internal import TidegateCluster
internal import TidegateCore
internal import TidegateEngines
internal import TidegateObjects

/// What a node that shares its stores with others has besides: who is there, who owns what, and the way to them.
struct ClusterSeats: Sendable {
    /// Where it listens for the others, and where they reach it.
    let listen: ServeSettings.Endpoint
    let address: ServeSettings.Endpoint
    let ownership: OwnershipReplica
    let steward: SlotSteward
    let transport: PeerClients
    let server: PeerServer
    let desk: PeerDesk
    let members: GossipMembers

    /// Asks every other node to return rows that the account's gateways do not use.
    static func reclaim(
        _ account: String, _ ownership: OwnershipReplica, _ transport: any PeerTransport
    ) async {
        await withDiscardingTaskGroup { group in
            for peer in ownership.peers {
                group.addTask {
                    // Who does not answer keeps its rows: they are counted, and come back another time.
                    _ = try? await transport.ask(.giveBack(account: account), at: peer, within: reclaimLimit)
                }
            }
        }
    }

    /// As protocol §9 lets a request for rows wait.
    private static let reclaimLimit = Duration.seconds(2)

    /// Begins to gossip, with the nodes that the settings name and those that are there by the coordination store.
    func startGossip(_ settings: ServeSettings, _ incarnation: IncarnationID, _ logger: Logger) async throws {
        var gossip = GossipSettings()
        gossip.host = listen.host
        gossip.port = listen.port
        gossip.advertisedAddress = settings.cluster.advertise?.description
        gossip.seeds = Array(
            (settings.cluster.join + ownership.peers.map { PeerAddress.text($0) }).prefix(Self.seedsMax))
        let zone = settings.cluster.zone.isEmpty ? settings.region : settings.cluster.zone
        try await members.start(
            GossipNode(
                settings: gossip, nodeID: settings.nodeID,
                profile: MemberProfile(
                    process: incarnation, region: settings.region, zone: zone, gossipAddress: "",
                    peerAddress: address.description, phase: .active),
                keys: try settings.cluster.keyRing(), wallClock: SystemWallClock(), logger: logger))
    }

    private static let seedsMax = 16

    /// In the order in which they begin; they end in the opposite one.
    var services: [any Service] { [ownership, members, transport, server] }
}

extension ClusterSettings {
    /// What peers prove to one another.
    func security() throws(TidegateError) -> PeerSecurity {
        guard let certificates else { return .plaintext }
        return .mutual(
            caPEM: try Self.read(certificates.authority, "peer.authority"),
            certificatePEM: try Self.read(certificates.certificate, "peer.certificate"),
            keyPEM: try Self.read(certificates.key, "peer.key"))
    }

    func keyRing() throws(TidegateError) -> GossipKeyRing {
        if let gossipKeys { return try GossipKeyRing(file: gossipKeys) }
        guard certificates == nil else {
            throw TidegateError(
                .invalidConfiguration,
                "gossip.keys is missing: name the key file that 'tidegate certs init' made, on every node the same.")
        }
        // No secret: whoever may speak to unprotected peers may gossip with them as well.
        return try GossipKeyRing([GossipKey(bytes: Array("tidegate: peers without any keys".utf8))])
    }

    private static func read(_ path: String, _ setting: String) throws(TidegateError) -> [UInt8] {
        guard let bytes = StateDirectory.contents(of: path) else {
            throw TidegateError(.invalidConfiguration, "\(setting): \(path) cannot be read.")
        }
        return bytes
    }
}

extension ServeSettings {
    /// The peer address with its port known: 0 becomes one that is free now.
    func peerAddress() async throws -> Endpoint {
        guard peerListen.port == 0 else { return peerListen }
        do {
            let probe = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .bind(host: peerListen.host, port: 0).get()
            let port = probe.localAddress?.port ?? 0
            try await probe.close()
            return Endpoint(host: peerListen.host, port: port)
        } catch {
            throw TidegateError(
                .invalidConfiguration, "peerListen: \(peerListen.host) cannot be listened on.", cause: error)
        }
    }
}

extension PeerAddress {
    fileprivate static func text(_ peer: PeerAddress) -> String {
        peer.host.contains(":") ? "[\(peer.host)]:\(peer.port)" : "\(peer.host):\(peer.port)"
    }
}
