internal import Logging
internal import NIOCore
internal import NIOPosix
internal import TidegateCluster
internal import TidegateCore
internal import TidegateEngines
internal import TidegateGateway
internal import TidegateManagement
internal import TidegateObjects
internal import TidegateTelemetry

/// Decides which implementation fills which seam, and nothing else does; `Engines` are its part that has two answers.
struct Assembly {
    /// Slots of a one-machine region (protocol §10).
    static let slotCount = 16

    let clock = SystemWallClock()
    /// Of this node's region.
    let slots: [SlotID]
    let keys: CoordinationKeys
    let state: StateDirectory
    let incarnationID: IncarnationID
    let engines: Engines
    let outbox: Outbox
    let databases: GatewayDatabases
    let objects: Objects
    let accounts: AccountManager
    let replica: SettingsReplica
    /// `nil` where the engines are this node's own.
    let cluster: ClusterSeats?
    /// Of the calls between nodes. Gossip has a thread of its own.
    private let peerThreads: MultiThreadedEventLoopGroup
    let uploader: BodyUploader
    let drain: OutboxDrain

    /// Opens what lies on the disk and the way to what does not; starts nothing.
    ///
    /// Throws untyped: Swift 6.3.1 returns to nowhere from an async function with a typed error and a result like this one.
    static func open(_ settings: ServeSettings, logger: Logger) async throws -> Assembly {
        let state = try StateDirectory(creating: settings.state, allowsEphemeralOutbox: settings.allowsEphemeralOutbox)
        var random = SystemRandomNumberGenerator()
        let id = IncarnationID(random: &random)
        let engines = try await Engines.open(
            settings, state: state, probe: id.description, clock: SystemWallClock(), logger: logger)
        do {
            return try await Assembly(settings, state, id, engines, logger: logger)
        } catch {
            await engines.close()
            throw error
        }
    }

    private init(
        _ settings: ServeSettings, _ state: StateDirectory, _ incarnationID: IncarnationID, _ engines: Engines,
        logger: Logger
    ) async throws {
        (self.state, self.incarnationID, self.engines) = (state, incarnationID, engines)
        let coordination = engines.coordination
        keys = try await CoordinationKeys.present(in: coordination)
        try await CoordinationMark.check(state.coordinationMark, keys: keys, in: coordination)
        let document = try await ClusterBootstrap.agree(
            on: ClusterDocument(slotsPerRegion: Self.slotCount, regions: [settings.region]),
            mayAddRegion: engines.isShared, in: coordination, keys: keys)
        slots = (0..<Self.slotCount).map { SlotID(region: settings.region, index: $0) }
        var outboxSettings = OutboxSettings()
        outboxSettings.mode = settings.capture == .power ? .power : .process
        outboxSettings.bytesMax = settings.outboxBytesMax
        outbox = try Outbox.open(directory: state.outbox, settings: outboxSettings, clock: clock, logger: logger)
        var segmentSettings = Segments.Settings()
        segmentSettings.limits.rowsMax = settings.segmentRows
        let segments = Segments(
            folder: state.cache, bootID: StateDirectory.bootID(), store: engines.store, settings: segmentSettings)
        databases = GatewayDatabases(
            folder: state.objects, bootID: StateDirectory.bootID(), store: engines.store, segments: segments)
        var objectsSettings = engines.objectsSettings
        objectsSettings.slot.snapshotObjects = settings.snapshotObjects
        objectsSettings.seal.segmentRows = Int64(settings.segmentRows)
        objectsSettings.seal.hotRowsKept = Int64(settings.segmentRows / 2)
        objectsSettings.sealLookRows = min(objectsSettings.sealLookRows, Int64(settings.segmentRows / 2))
        let replica = SettingsReplica(
            store: coordination, keys: keys, slotCount: Self.slotCount, logger: logger)
        self.replica = replica
        let homes: any GatewayHomes =
            engines.isShared ? replica : OneRegion(settings.region, slotCount: Self.slotCount)
        let ownership = OwnershipReplica(store: coordination, keys: keys, incarnation: incarnationID, logger: logger)
        let security = try settings.cluster.security()
        let threads = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        peerThreads = threads
        let clients =
            engines.isShared
            ? try PeerClients(node: settings.nodeID, security: security, threads: threads, logger: logger) : nil
        let transport: any PeerTransport = clients ?? NoPeers()
        objects = Objects(
            homes: homes, incarnation: incarnationID, coordination: coordination,
            store: engines.store, keys: keys, storage: databases, clock: clock, settings: objectsSettings,
            logger: logger,
            mintName: {
                var random = SystemRandomNumberGenerator()
                return String(random.next(), radix: 36)
            }, entryGuard: GuardProcess(),
            reclaimElsewhere: { await ClusterSeats.reclaim($0, ownership, transport) })
        let logs: any GatewayLogs =
            engines.isShared
            ? ClusterLogs(objects: objects, homes: homes, ownership: ownership, transport: transport) : objects
        accounts = AccountManager(
            store: coordination, keys: keys, logs: logs, region: settings.region, clock: clock,
            mintUID: {
                var random = SystemRandomNumberGenerator()
                return GatewayUID(random: &random)
            })
        replica.onChange { [objects] in objects.settingsChanged(of: $0) }
        if let clients {
            let members = GossipMembers(
                MemberView(node: settings.nodeID, region: settings.region, state: "alive"),
                slots: { [objects] in objects.servedSlots.count }, backlog: { [outbox] in outbox.statistics.bytes })
            let listen = try await settings.peerAddress()
            let desk = PeerDesk(objects: objects, transport: transport)
            cluster = ClusterSeats(
                listen: listen, address: settings.cluster.advertise ?? listen, ownership: ownership,
                steward: SlotSteward(
                    incarnation: incarnationID, nodeID: settings.nodeID, region: settings.region,
                    regions: document.regions, slotsPerRegion: Self.slotCount, keeper: objects, replica: ownership,
                    store: coordination, keys: keys, transport: transport, members: members, logger: logger),
                transport: clients,
                server: try PeerServer(
                    node: settings.nodeID, host: listen.host, port: listen.port, security: security, service: desk,
                    threads: threads, logger: logger),
                desk: desk, members: members)
        } else {
            cluster = nil
        }
        uploader = BodyUploader(
            queue: outbox, store: engines.store, coordination: coordination, keys: keys, logger: logger)
        let receiver: any RecordReceiver =
            engines.isShared
            ? RecordRouter(homes: homes, replica: ownership, local: objects, transport: transport) : objects
        drain = OutboxDrain(queue: outbox, receiver: receiver, logger: logger)
    }

    /// Lets go of the disk: what is not delivered stays for the next start. Blocks until it is written.
    func close() async {
        outbox.close()
        await databases.closeAll()
        await engines.close()
        try? await peerThreads.shutdownGracefully()
    }
}
