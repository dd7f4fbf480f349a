import Testing
import TidegateCore
import TidegateEngines
import TidegateTestKit

@Suite("The coordination store on LMDB")
struct LMDBCoordinationStoreTests {
    @Test("random histories answer as the model does", arguments: [1, 2, 3, 4] as [UInt64])
    func differential(seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed)
        let directory = try TemporaryDirectory()
        let model = MemoryCoordinationStore()
        var store = try LMDBCoordinationStore(directory: directory.path, mapBytes: 1 << 20, logger: quiet)
        defer { store.close() }
        for step in 0..<150 {
            if step % 50 == 49 {
                store.close()
                store = try LMDBCoordinationStore(directory: directory.path, mapBytes: 1 << 20, logger: quiet)
            }
            let transaction = Self.transaction(&random)
            let expected = try await model.commit(transaction)
            #expect(try await store.commit(transaction) == expected, "step \(step)")
        }
        let all = try await model.range(prefix: "/", after: nil, limit: 100)
        #expect(try await store.range(prefix: "/", after: nil, limit: 100) == all)
    }

    private static func transaction(_ random: inout SeededGenerator) -> CoordinationTransaction {
        func key(_ random: inout SeededGenerator) -> String { "/k/\(UInt8.random(in: 0..<12, using: &random))" }
        var keys = Set((0..<Int.random(in: 0...4, using: &random)).map { _ in key(&random) }).sorted()
        keys.shuffle(using: &random)
        return CoordinationTransaction(
            compare: Bool.random(using: &random)
                ? [.modRevision(key: key(&random), equals: Revision.random(in: 0..<4, using: &random))] : [],
            then: keys.map { key in
                Int.random(in: 0..<3, using: &random) == 0
                    ? .delete(key: key)
                    : .put(key: key, value: random.bytes(Int.random(in: 0..<9_000, using: &random)))
            }, read: [key(&random), key(&random)])
    }

    @Test("keys under a lease are gone after a restart, and a watch starts behind it")
    func leaseEndsWithTheProcess() async throws {
        let directory = try TemporaryDirectory()
        let before = try LMDBCoordinationStore(directory: directory.path, logger: quiet)
        let lease = try await before.grantLease(seconds: 10)
        _ = try await before.commit(
            .init(then: [.put(key: "/inc", value: [1], lease: lease), .put(key: "/cfg", value: [2])]))
        before.close()
        let after = try LMDBCoordinationStore(directory: directory.path, logger: quiet)
        defer { after.close() }
        #expect(try await after.get("/inc") == nil)
        #expect(try await after.get("/cfg")?.value == [2])
        await #expect(throws: TidegateError.self) { try await after.keepAlive(lease) }
        await #expect(throws: WatchCompacted.self) { for try await _ in after.watch(prefix: "/", from: 1) {} }
        let revision = try await after.range(prefix: "/", after: nil, limit: 1).revision
        #expect(revision == 2)
    }

    @Test("a second opening of the directory is refused and names it")
    func exclusive() throws {
        let directory = try TemporaryDirectory()
        let store = try LMDBCoordinationStore(directory: directory.path, logger: quiet)
        defer { store.close() }
        do {
            try LMDBCoordinationStore(directory: directory.path, logger: quiet).close()
            Issue.record("It was opened twice.")
        } catch {
            #expect(error.code == .conflict && error.message.contains(directory.path))
        }
    }

    @Test("a closed store refuses and ends its watches")
    func closing() async throws {
        let directory = try TemporaryDirectory()
        let store = try LMDBCoordinationStore(directory: directory.path, logger: quiet)
        let watch = store.watch(prefix: "/", from: 1)
        store.close()
        await #expect(throws: TidegateError.self) { try await store.get("/a") }
        await #expect(throws: TidegateError.self) { for try await _ in watch {} }
    }
}
