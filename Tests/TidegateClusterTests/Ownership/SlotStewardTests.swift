import Logging
import ServiceLifecycle
import Synchronization
import Testing
import TidegateCluster
import TidegateCore
import TidegateTestKit

/// Claims by writing the records that a slot's owner writes, and nothing else.
private final class PaperKeeper: SlotKeeper {
    let endings: AsyncStream<Void>
    private let ending: AsyncStream<Void>.Continuation
    private let store: any CoordinationStore
    private let keys: CoordinationKeys
    private let incarnation: IncarnationID
    private let served = Mutex<[SlotID: (epoch: Epoch, fence: Revision)]>([:])

    init(_ store: any CoordinationStore, _ keys: CoordinationKeys, _ incarnation: IncarnationID) {
        (self.store, self.keys, self.incarnation) = (store, keys, incarnation)
        (endings, ending) = AsyncStream.makeStream()
    }

    var servedSlots: [SlotID] { slots.sorted() }
    var slots: Set<SlotID> { served.withLock { Set($0.keys) } }

    func claim(_ slot: SlotID, seen: Epoch?) async throws(TidegateError) {
        let reads = try await store.commit(SlotClaim.reading(slot, keys: keys)).reads
        let claim = try SlotClaim(slot, keys: keys, reads: reads, incarnation: incarnation, nowMs: 0)
        guard seen.map({ claim.epoch == $0 + 1 }) ?? true else {
            throw TidegateError(.notOwner, "Somebody was faster.")
        }
        let outcome = try await store.commit(claim.transaction)
        guard outcome.succeeded else { throw TidegateError(.notOwner, "Somebody was faster.") }
        served.withLock { $0[slot] = (claim.epoch, outcome.revision) }
    }

    func release(_ slot: SlotID, to node: String?) async {
        guard let (epoch, fence) = served.withLock({ $0.removeValue(forKey: slot) }) else { return }
        let free = try? SlotClaim.release(
            slot, keys: keys, epoch: epoch, fence: fence, hint: node, minReader: nil)
        if let free { _ = try? await store.commit(free) }
        ending.yield()
    }

    func abandon(_ slot: SlotID) {
        served.withLock { $0[slot] = nil }
        ending.yield()
    }
}

@Suite("Stewards of slots on one coordination store", .timeLimit(.minutes(1)))
struct SlotStewardTests {
    private struct Node {
        let id: IncarnationID
        let keeper: PaperKeeper
        let replica: OwnershipReplica
        let steward: SlotSteward
    }

    private let store = MemoryCoordinationStore()
    private let keys = CoordinationKeys()
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    private static let slotCount = 8

    private func node(_ name: String, _ number: UInt64, moves: MoveCore.Settings = MoveCore.Settings()) -> Node {
        let id = IncarnationID(bits: UInt128(number))
        let keeper = PaperKeeper(store, keys, id)
        let replica = OwnershipReplica(store: store, keys: keys, incarnation: id, logger: logger)
        var settings = SlotSteward.Settings()
        settings.ownership.stagger = .milliseconds(50)
        settings.moves = moves
        return Node(
            id: id, keeper: keeper, replica: replica,
            steward: SlotSteward(
                incarnation: id, nodeID: name, region: "eu", regions: ["eu"], slotsPerRegion: Self.slotCount,
                keeper: keeper, replica: replica, store: store, keys: keys, transport: NoPeers(),
                members: NoMembers(MemberView(node: name, region: "eu", state: "alive")), settings: settings,
                logger: logger))
    }

    private func appear(_ node: Node, _ name: String) async throws {
        let document = IncarnationDocument(node: name, region: "eu", address: "127.0.0.1:1", state: .active)
        _ = try await store.commit(
            CoordinationTransaction(
                then: [.put(key: keys.incarnation(node.id), value: try DocumentCoding.encode(document))]))
    }

    private func vanish(_ node: Node) async throws {
        _ = try await store.commit(CoordinationTransaction(then: [.delete(key: keys.incarnation(node.id))]))
    }

    private func running(_ nodes: [Node], _ body: () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for node in nodes {
                group.addTask { try await node.replica.run() }
                group.addTask { try await node.steward.run() }
            }
            try await body()
            group.cancelAll()
        }
    }

    /// Waits for what others do by themselves.
    private func eventually(
        within limit: Duration = .seconds(15), _ condition: () async -> Bool,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let deadline = ContinuousClock.now + limit
        while !(await condition()) {
            guard ContinuousClock.now < deadline else {
                Issue.record("not within \(limit)", sourceLocation: sourceLocation)
                throw CancellationError()
            }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    @Test("two share the slots; when one vanishes the other has all, and what comes back is served by one only")
    func takeOver() async throws {
        let (one, two) = (node("n1", 1), node("n2", 2))
        try await appear(one, "n1")
        try await appear(two, "n2")
        try await running([one, two]) {
            try await eventually { one.keeper.slots.count + two.keeper.slots.count == Self.slotCount }
            #expect(one.keeper.slots.isDisjoint(with: two.keeper.slots))
            #expect(!one.keeper.slots.isEmpty && !two.keeper.slots.isEmpty)
            try await eventually { await one.steward.isSettled }
            // Its process still believes in its slots: it learns that it was robbed.
            try await vanish(two)
            try await eventually { one.keeper.slots.count == Self.slotCount && two.keeper.slots.isEmpty }
            for index in 0..<Self.slotCount {
                #expect(one.replica.route(to: SlotID(region: "eu", index: index)) == .here)
            }
        }
    }

    @Test("whoever leaves gives every slot up, and claims none again")
    func leaving() async throws {
        let (one, two) = (node("n1", 1), node("n2", 2))
        try await appear(one, "n1")
        try await running([one, two]) {
            try await eventually { one.keeper.slots.count == Self.slotCount }
            try await appear(two, "n2")
            await one.steward.leave()
            try await eventually { two.keeper.slots.count == Self.slotCount }
            #expect(one.keeper.slots.isEmpty)
        }
    }

    @Test("a node that comes late is handed its share, one slot after the other")
    func moves() async throws {
        var fast = MoveCore.Settings()
        (fast.lasting, fast.calm, fast.pause) = (.milliseconds(1), .milliseconds(1), .milliseconds(1))
        let (one, two) = (node("n1", 1, moves: fast), node("n2", 2, moves: fast))
        try await appear(one, "n1")
        try await running([one, two]) {
            try await eventually { one.keeper.slots.count == Self.slotCount }
            try await appear(two, "n2")
            try await eventually(within: .seconds(30)) { two.keeper.slots.count >= 3 }
            try await eventually { one.keeper.slots.isDisjoint(with: two.keeper.slots) }
        }
    }
}
