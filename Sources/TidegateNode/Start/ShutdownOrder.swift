internal import Logging
internal import NIOCore
internal import ServiceLifecycle
internal import TidegateCluster
internal import TidegateCore
internal import TidegateGateway
internal import TidegateObjects

/// Ends the node's public side: readiness first, so that load balancers look elsewhere, then running calls.
struct StopsFirst: Service {
    private let dataPlane: DataPlane
    private let reporter: NodeStatusReporter
    private let lease: IncarnationLease
    private let cluster: ClusterSeats?

    /// For calls that are under way.
    private static let callsMax = TimeAmount.seconds(15)

    init(
        _ dataPlane: DataPlane, _ reporter: NodeStatusReporter, _ lease: IncarnationLease, _ cluster: ClusterSeats?
    ) {
        self.dataPlane = dataPlane
        self.reporter = reporter
        self.lease = lease
        self.cluster = cluster
    }

    func run() async throws {
        try? await gracefulShutdown()
        reporter.enter(.draining)
        cluster?.members.enter(.draining)
        await lease.enter(.draining)
        await dataPlane.drain(deadline: .now() + Self.callsMax)
    }
}

/// Gives the slots to others, before their databases are closed.
struct LeavesSlots: Service {
    private let steward: SlotSteward

    init(_ steward: SlotSteward) { self.steward = steward }

    func run() async throws {
        try? await gracefulShutdown()
        await steward.leave()
    }
}

/// Completes deletions that a node's death cut short, whichever node began them (protocol §10).
struct SweepsDeletions: Service {
    private let accounts: AccountManager
    private let logger: Logger
    private static let interval = Duration.seconds(60)

    init(_ accounts: AccountManager, _ logger: Logger) {
        self.accounts = accounts
        self.logger = logger
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while (try? await Task.sleep(for: Self.interval)) != nil {
                do throws(TidegateError) { try await accounts.sweepDeletions() } catch {
                    logger.info("Deletions were not looked through", metadata: ["error": "\(error)"])
                }
            }
        }
        try? await gracefulShutdown()
    }
}

/// Ends the slots once nothing is delivered to them any more.
struct StopsLast: Service {
    private let objects: Objects

    init(_ objects: Objects) { self.objects = objects }

    func run() async throws {
        try? await gracefulShutdown()
        await objects.drain()
    }
}

/// What is done beside the node: what the engines want, and noting how far the authority is.
struct Upkeep: Service {
    private let engines: Engines
    private let keys: CoordinationKeys
    private let mark: String

    init(_ assembly: Assembly) {
        (engines, keys, mark) = (assembly.engines, assembly.keys, assembly.state.coordinationMark)
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { await engines.upkeep() }
                group.addTask { await CoordinationMark.follow(mark, keys: keys, in: engines.coordination) }
            }
        }
        // A service that ends stops the node: engines without upkeep wait here.
        try? await gracefulShutdown()
    }
}
