internal import FoundationEssentials
internal import Synchronization
internal import TidegateCore
internal import TidegateEngines
internal import TidegateObjects
internal import TidegateTelemetry

/// Gathers what `/status`, `/readyz` and `/metrics` show.
final class NodeStatusReporter: NodeStatusSource {
    enum State: String, Sendable { case starting, serving, draining }

    private let settings: ServeSettings
    private let incarnationID: IncarnationID
    private let engines: Engines
    private let objects: Objects
    private let queue: any DeliveryQueue
    private let registry: PrometheusRegistry
    private let keys: CoordinationKeys
    private let slots: [SlotID]
    private let members: (any MemberList)?
    private let state = Mutex(State.starting)

    init(_ assembly: Assembly, settings: ServeSettings, registry: PrometheusRegistry) {
        self.settings = settings
        self.registry = registry
        incarnationID = assembly.incarnationID
        engines = assembly.engines
        objects = assembly.objects
        queue = assembly.outbox
        keys = assembly.keys
        slots = assembly.slots
        members = assembly.cluster?.members
    }

    func enter(_ new: State) { state.withLock { $0 = new } }

    func notReadyReason() async -> String? {
        switch state.withLock({ $0 }) {
        case .starting: "starting: claiming slots"
        case .draining: "draining: send traffic elsewhere"
        // In a cluster every node takes every call, whoever owns what.
        case .serving: members == nil ? await fencedReason() : nil
        }
    }

    /// Calls are served still, but their rows wait for the slots to come back.
    private func fencedReason() async -> String? {
        let fenced = slots.count - (await objects.slotStatus().count { $0.isServing })
        return fenced == 0 ? nil : "\(fenced) slots belong to another node: stop it, then restart this one"
    }

    private var memberViews: [MemberView] {
        members?.members ?? [MemberView(node: settings.nodeID, region: settings.region, state: "alive")]
    }

    func metricsText() async -> String { registry.text() }

    func statusJSON() async -> [UInt8] {
        let outbox = queue.statistics
        // A read of one key tells both whether the store answers and how far it is.
        let revision = try? await engines.coordination.range(prefix: keys.cluster, after: nil, limit: 1).revision
        let status = NodeStatus(
            node: settings.nodeID, region: settings.region, incarnation: incarnationID.description,
            version: TidegateVersion.current, state: state.withLock { $0 }.rawValue,
            members: memberViews.map { .init(node: $0.node, region: $0.region, state: $0.state) },
            slots: await objects.slotStatus().map {
                .init(
                    slot: $0.slot.description, epoch: $0.epoch, n: $0.n, gateways: $0.gateways,
                    holes: $0.holes.isEmpty ? nil : $0.holes)
            },
            outbox: .init(
                captured: outbox.captured, acked: outbox.acknowledged, pending: outbox.pending, bytes: outbox.bytes,
                writable: outbox.isWritable),
            coordination: .init(kind: engines.coordinationKind, reachable: revision != nil, revision: revision ?? 0),
            store: .init(kind: engines.storeKind, reachable: engines.isStoreReachable()))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(status)).map(Array.init) ?? []
    }
}

/// Version of the build.
package enum TidegateVersion {
    package static let current = "0.1.0"
}
