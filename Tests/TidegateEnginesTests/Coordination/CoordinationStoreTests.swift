import Logging
import Testing
import TidegateCore
import TidegateEngines
import TidegateTestKit

enum CoordinationEngine: CaseIterable, Sendable {
    case memory, lmdb, etcd

    func with(_ body: (any CoordinationStore) async throws -> Void) async throws {
        switch self {
        case .memory: try await body(MemoryCoordinationStore())
        case .etcd:
            let server = try await ServerProcess.retrying { try await EtcdServer() }
            let store = try EtcdCoordinationStore(endpoints: [server.endpoint], logger: quiet)
            do { try await body(store) } catch {
                await store.close()
                throw error
            }
            await store.close()
            server.process.stop()
        case .lmdb:
            let directory = try TemporaryDirectory()
            let store = try LMDBCoordinationStore(directory: directory.path + "/coordination", logger: quiet)
            defer { store.close() }
            try await body(store)
        }
    }
}

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

@Suite("The contract of the coordination store", .timeLimit(.minutes(1)))
struct CoordinationStoreTests {
    /// The store's revision before the test changes anything: engines begin to count at different numbers.
    private func base(_ store: any CoordinationStore) async throws -> Revision {
        try await store.range(prefix: "/", after: nil, limit: 1).revision
    }

    @Test("a change has its revision, and an absent key is at revision 0", arguments: CoordinationEngine.allCases)
    func revisions(engine: CoordinationEngine) async throws {
        try await engine.with { store in
            let base = try await base(store)
            let first = try await store.commit(.init(then: [.put(key: "/a", value: [1])], read: ["/a", "/b"]))
            #expect(first.succeeded && first.revision == base + 1)
            let made = KeyValue(key: "/a", value: [1], createRevision: base + 1, modRevision: base + 1)
            #expect(first.reads == [made, nil])
            _ = try await store.commit(
                .init(
                    compare: [.modRevision(key: "/a", equals: base + 1), .modRevision(key: "/b", equals: 0)],
                    then: [.put(key: "/a", value: [2]), .put(key: "/b", value: [])]))
            let changed = KeyValue(key: "/a", value: [2], createRevision: base + 1, modRevision: base + 2)
            #expect(try await store.get("/a") == changed)
            let failed = try await store.commit(
                .init(compare: [.value(key: "/a", equals: [1])], then: [.delete(key: "/a")], read: ["/a"]))
            #expect(!failed.succeeded && failed.revision == base + 2 && failed.reads.first??.value == [2])
            let idle = try await store.commit(.init(then: [.delete(key: "/none")]))
            #expect(idle.succeeded && idle.revision == base + 2)
        }
    }

    @Test("a range is in byte order and goes on behind a key", arguments: CoordinationEngine.allCases)
    func ranges(engine: CoordinationEngine) async throws {
        try await engine.with { store in
            let base = try await base(store)
            for key in ["/p/b", "/p/a/x", "/p/a-x", "/q", "/p/é", "/o"] {
                _ = try await store.commit(.init(then: [.put(key: key, value: [])]))
            }
            let first = try await store.range(prefix: "/p/", after: nil, limit: 2)
            #expect(first.entries.map(\.key) == ["/p/a-x", "/p/a/x"] && first.hasMore)
            #expect(first.revision == base + 6)
            let rest = try await store.range(prefix: "/p/", after: "/p/a/x", limit: 2)
            #expect(rest.entries.map(\.key) == ["/p/b", "/p/é"] && !rest.hasMore)
            #expect(try await store.range(prefix: "/p/", after: "/a", limit: 9).entries.count == 4)
        }
    }

    @Test("what no engine carries out is refused", arguments: CoordinationEngine.allCases)
    func refusals(engine: CoordinationEngine) async throws {
        try await engine.with { store in
            let twice = CoordinationTransaction(then: [.put(key: "/a", value: []), .delete(key: "/a")])
            await #expect(throws: TidegateError.self) { try await store.commit(twice) }
            let many = CoordinationTransaction(then: (0..<129).map { .put(key: "/\($0)", value: []) })
            await #expect(throws: TidegateError.self) { try await store.commit(many) }
            let long = String(repeating: "k", count: 512)
            await #expect(throws: TidegateError.self) { try await store.get(long) }
        }
    }

    @Test("a lease takes its keys along", arguments: CoordinationEngine.allCases)
    func leases(engine: CoordinationEngine) async throws {
        try await engine.with { store in
            let lease = try await store.grantLease(seconds: 10)
            _ = try await store.commit(.init(then: [.put(key: "/mine", value: [1], lease: lease)]))
            _ = try await store.commit(.init(then: [.put(key: "/freed", value: [1], lease: lease)]))
            _ = try await store.commit(.init(then: [.put(key: "/freed", value: [2])]))
            try await store.keepAlive(lease)
            try await store.revoke(lease)
            #expect(try await store.get("/mine") == nil)
            #expect(try await store.get("/freed")?.value == [2])
            await #expect(throws: TidegateError.self) { try await store.keepAlive(lease) }
            let late = CoordinationTransaction(then: [.put(key: "/late", value: [], lease: lease)])
            await #expect(throws: TidegateError.self) { try await store.commit(late) }
            #expect(try await store.get("/late") == nil)
        }
    }

    @Test("a watch delivers every change from its start, in order", arguments: CoordinationEngine.allCases)
    func watches(engine: CoordinationEngine) async throws {
        try await engine.with { store in
            let base = try await base(store)
            _ = try await store.commit(.init(then: [.put(key: "/w/a", value: [1])]))
            let changes = store.watch(prefix: "/w/", from: base + 1)
            async let seen: [Revision] = {
                var seen: [Revision] = []
                for try await batch in changes {
                    seen.append(batch.revision)
                    if seen.count == 21 { break }
                }
                return seen
            }()
            for number in 0..<20 {
                _ = try await store.commit(
                    .init(then: [.put(key: "/other", value: [])]))
                _ = try await store.commit(.init(then: [.put(key: "/w/a", value: [UInt8(number)])]))
            }
            #expect(try await seen == [base + 1] + (1...20).map { base + Revision($0 * 2 + 1) })
        }
    }

    @Test("only one of many racing claims wins", arguments: CoordinationEngine.allCases)
    func races(engine: CoordinationEngine) async throws {
        try await engine.with { store in
            let winners = try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<64 {
                    group.addTask {
                        try await store.commit(
                            .init(
                                compare: [.modRevision(key: "/own", equals: 0)],
                                then: [.put(key: "/own", value: [UInt8(number)])])
                        ).succeeded
                    }
                }
                return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(winners == 1)
        }
    }
}
