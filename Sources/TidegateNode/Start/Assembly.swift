internal import Logging
internal import TidegateCluster
internal import TidegateCore
internal import TidegateEngines
internal import TidegateGateway
internal import TidegateManagement
internal import TidegateObjects
internal import TidegateTelemetry

/// Decides which implementation fills which seam, and nothing else does. One machine: LMDB, a directory, calls in process.
struct Assembly {
    /// Slots of a one-machine region (protocol §10).
    static let slotCount = 16

    let clock = SystemWallClock()
    let keys = CoordinationKeys()
    let state: StateDirectory
    let incarnationID: IncarnationID
    let coordination: LMDBCoordinationStore
    let store: DirectoryObjectStore
    let outbox: Outbox
    let databases: GatewayDatabases
    let objects: Objects
    let accounts: AccountManager
    let replica: SettingsReplica
    let lease: IncarnationLease
    let drain: OutboxDrain

    /// Opens what lies on the disk; starts nothing.
    init(_ settings: ServeSettings, logger: Logger) async throws(TidegateError) {
        state = try StateDirectory(creating: settings.state, allowsEphemeralOutbox: settings.allowsEphemeralOutbox)
        var random = SystemRandomNumberGenerator()
        incarnationID = IncarnationID(random: &random)
        coordination = try LMDBCoordinationStore(directory: state.coordination, logger: logger)
        _ = try await ClusterBootstrap.agree(
            on: ClusterDocument(slotsPerRegion: Self.slotCount, regions: [settings.region]), in: coordination,
            keys: keys)
        store = try DirectoryObjectStore(root: state.store, logger: logger)
        var outboxSettings = OutboxSettings()
        outboxSettings.mode = settings.capture == .power ? .power : .process
        outboxSettings.bytesMax = settings.outboxBytesMax
        outbox = try Outbox.open(directory: state.outbox, settings: outboxSettings, clock: clock, logger: logger)
        databases = GatewayDatabases(folder: state.objects, bootID: StateDirectory.bootID())
        objects = Objects(
            region: settings.region, slotCount: Self.slotCount, incarnation: incarnationID, coordination: coordination,
            store: store, keys: keys,
            storage: databases,
            clock: clock, settings: ObjectsSettings(), logger: logger)
        accounts = AccountManager(
            store: coordination, keys: keys, logs: objects, region: settings.region, clock: clock,
            mintUID: {
                var random = SystemRandomNumberGenerator()
                return GatewayUID(random: &random)
            })
        replica = SettingsReplica(store: coordination, keys: keys, logger: logger)
        lease = IncarnationLease(
            store: coordination, keys: keys, id: incarnationID,
            document: IncarnationDocument(
                node: settings.nodeID, region: settings.region, address: settings.peerListen.description, state: .active
            ),
            logger: logger)
        drain = OutboxDrain(queue: outbox, receiver: objects, logger: logger)
    }

    /// Lets go of the disk: what is not delivered stays for the next start. Blocks until it is written.
    func close() async {
        outbox.close()
        await databases.closeAll()
        store.close()
        coordination.close()
    }
}
