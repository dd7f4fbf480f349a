import Synchronization
import Testing
import TidegateCore
import TidegateTestKit

@testable import TidegateObjects

@Suite("Rows that gateways hold")
struct AllowanceKeeperTests {
    private let memory = MemoryCoordinationStore()
    private let keys = CoordinationKeys()
    private let slot = SlotID(region: "r1", index: 0)
    private let uid = GatewayUID(bits: 7)

    @Test("are not taken back by a return that comes late, once they are counted with again")
    func lateReturn() async throws {
        let store = StallingStore(memory)
        let keeper = AllowanceKeeper(store: store, keys: keys, settings: AllowanceCore.Settings())
        let (fence, registration) = try await found()
        _ = try await keeper.request(
            uid, of: registration, slot: slot, fence: fence, known: 0, rate: 0, reclaim: { _ in })
        let held = try #require(try await allowance())
        // The return stalls on its way, its owner cannot find out, and gives up.
        store.stall()
        await #expect(throws: TidegateError.self) {
            try await keeper.giveBack(held - 1, uid, of: registration, slot: slot, fence: fence, keeping: 1)
        }
        let answer = try await keeper.request(
            uid, of: registration, slot: slot, fence: fence, known: 1, rate: 0, reclaim: { _ in })
        #expect(answer.allowance == held)
        try await store.arrive()
        #expect(try await allowance() == answer.allowance, "what the owner counts with is what the store says")
    }

    private func found() async throws -> (Revision, GatewayRegistration) {
        var account = AccountDocument(id: "acme", name: "", plan: .unlimited, createdAtMs: 0)
        account.overrides.rowsPerAccount = .some(100)
        let gateway = GatewayDocument(uid: uid, region: "r1", settings: GatewaySettings(), createdAtMs: 0)
        let outcome = try await memory.commit(
            CoordinationTransaction(
                then: [
                    .put(key: keys.owner(slot), value: [1]),
                    .put(key: keys.account("acme"), value: try DocumentCoding.encode(account)),
                    .put(key: keys.gateway("acme", "prod"), value: try DocumentCoding.encode(gateway)),
                ]))
        return (
            outcome.revision,
            GatewayRegistration(account: "acme", name: "prod", cap: nil, deletesOldest: true, isEnding: false)
        )
    }

    private func allowance() async throws -> Int64? {
        try await memory.get(keys.quota("acme", uid)).map {
            let quota: QuotaDocument = try DocumentCoding.decode(from: $0)
            return quota.allowance
        }
    }
}

/// A way to the store on which one transaction gets stuck: its sender hears nothing, and it arrives later.
private final class StallingStore: CoordinationStore {
    private let store: MemoryCoordinationStore
    private enum Stall { case none, next, held(CoordinationTransaction), blind(CoordinationTransaction) }
    private let state = Mutex(Stall.none)

    init(_ store: MemoryCoordinationStore) { self.store = store }

    func stall() { state.withLock { $0 = .next } }

    func arrive() async throws {
        let held = state.withLock { state in
            defer { state = .none }
            if case .held(let transaction) = state { return transaction as CoordinationTransaction? }
            return nil
        }
        if let held { _ = try await store.commit(held) }
    }

    func commit(_ transaction: CoordinationTransaction) async throws(TidegateError) -> TransactionOutcome {
        let isLost = state.withLock { state in
            switch state {
            case .next where !transaction.then.isEmpty:
                state = .blind(transaction)
                return true
            case .blind(let held):  // nor does the owner get to read what became of it
                state = .held(held)
                return true
            case .none, .next, .held: return false
            }
        }
        guard !isLost else {
            throw TidegateError(transaction.then.isEmpty ? .unavailable : .unknownOutcome, "The test holds it.")
        }
        return try await store.commit(transaction)
    }

    func get(_ key: String) async throws(TidegateError) -> KeyValue? { try await store.get(key) }
    func range(prefix: String, after: String?, limit: Int) async throws(TidegateError) -> KeyRange {
        try await store.range(prefix: prefix, after: after, limit: limit)
    }
    func grantLease(seconds: Int) async throws(TidegateError) -> LeaseID {
        try await store.grantLease(seconds: seconds)
    }
    func keepAlive(_ lease: LeaseID) async throws(TidegateError) { try await store.keepAlive(lease) }
    func revoke(_ lease: LeaseID) async throws(TidegateError) { try await store.revoke(lease) }
    func watch(prefix: String, from: Revision) -> AsyncThrowingStream<WatchBatch, any Error> {
        store.watch(prefix: prefix, from: from)
    }
}
