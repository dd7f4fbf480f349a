package import Logging
internal import NIOCore
internal import NIOPosix
internal import ServiceLifecycle
internal import Synchronization
internal import TidegateCluster
internal import TidegateCore
internal import TidegateGateway
internal import TidegateManagement
internal import TidegateObjects
package import TidegateTelemetry

/// One node, from its settings to its end.
///
/// Start order: disk, claims and recovery, default account, settings, listener. Stop order is the reverse: stop taking
/// calls, deliver what is captured, finish commits, give the lease back. Dying anywhere in between loses nothing captured.
package struct Node: Sendable {
    package let publicURL: String
    /// The line that tells whoever started the node that it takes calls (interfaces.md §2).
    package let readyLine: String
    package let administratorToken: String

    private let services: ServiceGroup
    private let group: MultiThreadedEventLoopGroup
    private let assembly: Assembly
    private let dataPlane: DataPlane
    private let logger: Logger

    /// Longest drain; killing the process after it is safe (protocol §10).
    private static let drainMax = Duration.seconds(45)

    /// Returns when the node takes calls.
    package static func start(
        _ settings: ServeSettings, registry: PrometheusRegistry, logger: Logger
    ) async throws -> Node {
        try FaultInjection.install()
        try await check(settings)
        let assembly = try await Assembly.open(settings, logger: logger)
        do {
            return try await start(assembly, settings, registry: registry, logger: logger)
        } catch {
            await assembly.objects.stop()
            await assembly.close()
            throw error
        }
    }

    private static func start(
        _ assembly: Assembly, _ settings: ServeSettings, registry: PrometheusRegistry, logger: Logger
    ) async throws -> Node {
        let token = try assembly.state.administratorToken(configured: settings.adminToken)
        if assembly.cluster == nil {
            try await assembly.objects.start(assembly.slots)
            try await assembly.accounts.sweepDeletions()
        }
        if settings.createsDefaultAccount {
            try await assembly.accounts.ensureDefault(authentication: !settings.listen.isLoopback)
        }
        _ = try await assembly.replica.load()
        let lease = IncarnationLease(
            store: assembly.engines.coordination, keys: assembly.keys, id: assembly.incarnationID,
            document: IncarnationDocument(
                node: settings.nodeID, region: settings.region,
                address: (assembly.cluster?.address ?? settings.peerListen).description, state: .active),
            predecessor: assembly.state.takeOver(as: assembly.incarnationID), logger: logger)
        try await lease.register()
        do {
            if let cluster = assembly.cluster {
                try await cluster.ownership.load()
                try await cluster.startGossip(settings, assembly.incarnationID, logger)
            }
            return try await Node(assembly, lease, settings, token: token, registry: registry, logger: logger)
        } catch {
            await assembly.cluster?.members.stop()
            await lease.leave()
            throw error
        }
    }

    /// What can be known to be wrong before the disk is touched and slots are claimed.
    private static func check(_ settings: ServeSettings) async throws {
        _ = try settings.providerTable()
        _ = try settings.priceTable()
        try DataPlane.check(settings.dataPlane, settings.upstream)
        guard settings.listen.port != 0 else { return }
        do {
            let probe = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            try await probe.bind(host: settings.listen.host, port: settings.listen.port).get().close()
        } catch {
            throw cannotListen(settings, error)
        }
    }

    private static func cannotListen(_ settings: ServeSettings, _ cause: any Error) -> TidegateError {
        TidegateError(
            .invalidConfiguration,
            "\(settings.listen.description) cannot be listened on: choose another address with --listen.", cause: cause)
    }

    private init(
        _ assembly: Assembly, _ lease: IncarnationLease, _ settings: ServeSettings, token: String,
        registry: PrometheusRegistry, logger: Logger
    ) async throws {
        let threads = settings.eventLoops == 0 ? System.coreCount : settings.eventLoops
        let group = MultiThreadedEventLoopGroup(numberOfThreads: threads)
        let reporter = NodeStatusReporter(assembly, settings: settings, registry: registry)
        let address = PublicAddress(scheme: settings.tls == nil ? "http" : "https")
        let management = ManagementAPI(
            accounts: assembly.accounts, logs: assembly.objects, directory: assembly.replica, status: reporter,
            administratorToken: AdministratorToken(secret: token), clock: assembly.clock, region: settings.region,
            publicURL: { address.url }, owners: Self.owners(assembly, lease), logger: logger)
        assembly.cluster?.desk.open(management)
        let dataPlane = DataPlane(
            settings: settings.dataPlane, upstream: settings.upstream, directory: assembly.replica,
            capture: assembly.outbox, control: management, providers: try settings.providerTable(),
            prices: try settings.priceTable(), clock: assembly.clock, logger: logger)
        do {
            let bound = try await dataPlane.start(host: settings.listen.host, port: settings.listen.port, group: group)
            address.set(ServeSettings.Endpoint(host: settings.listen.host, port: bound.port ?? settings.listen.port))
        } catch let error as TidegateError {
            try await group.shutdownGracefully()
            throw error
        } catch {
            try await group.shutdownGracefully()
            throw Self.cannotListen(settings, error)
        }
        reporter.enter(.serving)
        services = Self.services(assembly, lease, dataPlane, reporter, logger: logger)
        publicURL = address.url
        readyLine =
            "tidegate ready url=\(address.url) peer=\((assembly.cluster?.address ?? settings.peerListen).description) "
            + "node=\(settings.nodeID) region=\(settings.region)"
        administratorToken = token
        (self.group, self.assembly, self.dataPlane, self.logger) = (group, assembly, dataPlane, logger)
    }

    private static func owners(_ assembly: Assembly, _ lease: IncarnationLease) -> any GatewayOwners {
        guard let cluster = assembly.cluster else { return EveryGatewayHere() }
        return ClusterOwners(
            directory: assembly.replica, homes: assembly.replica, ownership: cluster.ownership,
            transport: cluster.transport, coordination: assembly.engines.coordination, keys: assembly.keys,
            incarnation: assembly.incarnationID, lease: lease)
    }

    /// They end in the opposite order.
    private static func services(
        _ assembly: Assembly, _ lease: IncarnationLease, _ dataPlane: DataPlane, _ reporter: NodeStatusReporter,
        logger: Logger
    ) -> ServiceGroup {
        var services: [any Service] = [Upkeep(assembly), lease, assembly.replica]
        if let cluster = assembly.cluster { services += cluster.services }
        services.append(StopsLast(assembly.objects))
        if let cluster = assembly.cluster {
            services += [LeavesSlots(cluster.steward), cluster.steward, SweepsDeletions(assembly.accounts, logger)]
        }
        services += [assembly.uploader, assembly.drain, StopsFirst(dataPlane, reporter, lease, assembly.cluster)]
        var configuration = ServiceGroupConfiguration(services: services, logger: logger)
        configuration.maximumGracefulShutdownDuration = drainMax
        return ServiceGroup(configuration: configuration)
    }

    /// Serves until `stop`.
    /// - Parameter whenReady: called once, when nothing is left to claim that nobody else serves.
    package func run(whenReady: @escaping @Sendable () -> Void = {}) async throws {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask { [assembly, logger] in
                await Self.settle(assembly, logger: logger)
                if !Task.isCancelled { whenReady() }
                return false
            }
            group.addTask { [services] in
                try await services.run()
                return true
            }
            while let isEnd = try await group.next() { if isEnd { group.cancelAll() } }
        }
        await assembly.close()
        try await group.shutdownGracefully()
        logger.notice("Stopped")
    }

    /// A start waits for slots this long. Others may be slow to let go of theirs, and calls can be served without.
    private static let settleMax = Duration.seconds(20)
    private static let settlePause = Duration.milliseconds(20)

    private static func settle(_ assembly: Assembly, logger: Logger) async {
        guard let steward = assembly.cluster?.steward else { return }
        let end = ContinuousClock.now + settleMax
        while !(await steward.isSettled) {
            guard ContinuousClock.now < end, (try? await Task.sleep(for: settlePause)) != nil else {
                return logger.warning("Not every slot is served yet: logs of some gateways cannot be read")
            }
        }
    }

    package func stop() async { await services.triggerGracefulShutdown() }

    /// Takes over what may change while the node runs; the rest is named in the log as needing a restart.
    package func reload(_ settings: ServeSettings) throws {
        dataPlane.reload(providers: try settings.providerTable(), prices: try settings.priceTable())
    }
}

/// The listener's address, known only once it is bound.
private final class PublicAddress: Sendable {
    private let scheme: String
    private let endpoint = Mutex<ServeSettings.Endpoint?>(nil)

    init(scheme: String) { self.scheme = scheme }
    func set(_ new: ServeSettings.Endpoint) { endpoint.withLock { $0 = new } }
    var url: String { endpoint.withLock { $0.map { "\(scheme)://\($0.description)" } ?? "" } }
}
