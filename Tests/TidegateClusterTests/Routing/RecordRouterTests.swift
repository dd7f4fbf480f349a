import Logging
import Synchronization
import Testing
import TidegateCluster
import TidegateCore
import TidegateTestKit

/// Remembers what was handed to it, and answers as it is told.
private final class Door: RecordReceiver, PeerTransport {
    struct Sent: Equatable { var peer: String, relay: String? }
    let sent = Mutex<[Sent]>([])
    let taken = Mutex(0)
    let verdict = Mutex(RecordVerdict.committed)

    func submit(_ batch: DeliveryBatch, reply: @escaping @Sendable ([RecordVerdict]) -> Void) {
        taken.withLock { $0 += 1 }
        reply([.committed])
    }
    func submit(
        _ batch: DeliveryBatch, to peer: PeerAddress, relay: PeerAddress?,
        reply: @escaping @Sendable ([RecordVerdict]) -> Void
    ) {
        sent.withLock { $0.append(Sent(peer: peer.node, relay: relay?.node)) }
        reply([verdict.withLock { $0 }])
    }
    func control(_ request: ControlRequest, at peer: PeerAddress, through writer: any ControlResponseWriter)
        async throws
    {}
    func ask(_ question: PeerQuestion, at peer: PeerAddress, within limit: Duration) async throws -> PeerAnswer {
        .done
    }
}

@Suite("Routing of rows")
struct RecordRouterTests {
    private let store = MemoryCoordinationStore()
    private let keys = CoordinationKeys()
    private let door = Door()
    private let me = IncarnationID(bits: 1)
    private let batch = DeliveryBatch(
        stream: StreamID(bits: 1), gateway: GatewayUID(bits: 7), firstSequence: 1, records: [[1]], resolvedBelow: 0)

    private func replica() -> OwnershipReplica {
        OwnershipReplica(
            store: store, keys: keys, incarnation: me, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private func router(_ replica: OwnershipReplica) -> RecordRouter {
        RecordRouter(homes: OneRegion("eu", slotCount: 1), replica: replica, local: door, transport: door)
    }

    private func appear(_ number: UInt64, _ node: String) async throws {
        let document = IncarnationDocument(node: node, region: "eu", address: "[::1]:99", state: .active)
        let key = keys.incarnation(IncarnationID(bits: UInt128(number)))
        _ = try await store.commit(
            CoordinationTransaction(then: [.put(key: key, value: try DocumentCoding.encode(document))]))
    }

    private func own(_ number: UInt64) async throws {
        let owner = SlotOwner(
            epoch: 1, inc: IncarnationID(bits: UInt128(number)).description, state: .owned,
            claims: SlotOwner.Claims(count: 0, sinceMs: 0))
        let key = keys.route(SlotID(region: "eu", index: 0))
        _ = try await store.commit(
            CoordinationTransaction(then: [.put(key: key, value: try DocumentCoding.encode(owner))]))
    }

    private func submit(_ router: RecordRouter) async -> RecordVerdict? {
        await withCheckedContinuation { continuation in
            router.submit(batch) { continuation.resume(returning: $0.first) }
        }
    }

    @Test("to this node, to another, and to nobody while there is no owner or its process is gone")
    func routes() async throws {
        let replica = replica()
        let router = router(replica)
        guard case .later(_, .recovering)? = await submit(router) else { return #expect(Bool(false)) }
        try await own(2)
        try await replica.load()
        guard case .later(_, .recovering)? = await submit(router) else { return #expect(Bool(false)) }
        try await appear(2, "n2")
        try await replica.load()
        #expect(
            replica.route(to: SlotID(region: "eu", index: 0)) == .peer(PeerAddress(node: "n2", host: "::1", port: 99)))
        #expect(await submit(router) == .committed)
        #expect(door.sent.withLock { $0 } == [Door.Sent(peer: "n2", relay: nil)])
        try await appear(1, "n1")
        try await own(1)
        try await replica.load()
        #expect(await submit(router) == .committed)
        #expect(door.taken.withLock { $0 } == 1)
    }

    @Test("what was removed is forgotten at the next list")
    func forgets() async throws {
        let replica = replica()
        try await appear(2, "n2")
        try await appear(1, "n1")
        try await replica.load()
        #expect(replica.peers.map(\.node) == ["n2"])
        _ = try await store.commit(
            CoordinationTransaction(then: [.delete(key: keys.incarnation(IncarnationID(bits: 2)))]))
        try await replica.load()
        #expect(replica.peers.isEmpty)
    }
}
