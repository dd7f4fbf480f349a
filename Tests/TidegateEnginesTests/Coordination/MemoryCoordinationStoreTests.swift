import Testing
import TidegateCore
import TidegateTestKit

@Suite("The coordination store in memory")
struct MemoryCoordinationStoreTests {
    @Test("leases run down by ticks only")
    func ticks() async throws {
        let store = MemoryCoordinationStore()
        let lease = try await store.grantLease(seconds: 3)
        _ = try await store.commit(.init(then: [.put(key: "/a", value: [], lease: lease)]))
        store.tick(seconds: 2)
        try await store.keepAlive(lease)
        store.tick(seconds: 2)
        #expect(try await store.get("/a") != nil)
        store.tick(seconds: 1)
        #expect(try await store.get("/a") == nil)
        #expect(store.revision == 2)
    }

    @Test("faults hide or prevent a commit, and watches end behind a compaction")
    func faults() async throws {
        let store = MemoryCoordinationStore()
        let put = CoordinationTransaction(then: [.put(key: "/a", value: [])])
        for (fault, revision) in [
            (MemoryCoordinationStore.Fault.refuse, 0), (.unknownOutcome(applied: false), 0),
            (.unknownOutcome(applied: true), 1),
        ] as [(MemoryCoordinationStore.Fault, Revision)] {
            store.failNextCommit(fault)
            await #expect(throws: TidegateError.self) { try await store.commit(put) }
            #expect(store.revision == revision)
        }
        store.compact(through: 1)
        await #expect(throws: WatchCompacted.self) { for try await _ in store.watch(prefix: "/", from: 1) {} }
    }
}
