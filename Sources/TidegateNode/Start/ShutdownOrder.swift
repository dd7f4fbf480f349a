internal import NIOCore
internal import ServiceLifecycle
internal import TidegateCore
internal import TidegateGateway
internal import TidegateObjects

/// Ends the node's public side: readiness first, so that load balancers look elsewhere, then running calls.
struct StopsFirst: Service {
    private let dataPlane: DataPlane
    private let reporter: NodeStatusReporter

    /// For calls that are under way.
    private static let callsMax = TimeAmount.seconds(15)

    init(_ dataPlane: DataPlane, _ reporter: NodeStatusReporter) {
        self.dataPlane = dataPlane
        self.reporter = reporter
    }

    func run() async throws {
        try? await gracefulShutdown()
        reporter.enter(.draining)
        await dataPlane.drain(deadline: .now() + Self.callsMax)
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
