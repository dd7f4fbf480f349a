import Logging
import Testing
import TidegateCluster
import TidegateCore
import TidegateTestKit

@Suite("A node's place among others", .timeLimit(.minutes(1)))
struct IncarnationLeaseTests {
    private let store = MemoryCoordinationStore()
    private let keys = CoordinationKeys()

    private func lease(_ number: UInt64, _ node: String, predecessor: IncarnationID? = nil) -> IncarnationLease {
        IncarnationLease(
            store: store, keys: keys, id: IncarnationID(bits: UInt128(number)),
            document: IncarnationDocument(node: node, region: "eu", address: "h:\(number)", state: .active),
            predecessor: predecessor, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private func names() async throws -> [String] {
        try await store.range(prefix: keys.incarnations, after: nil, limit: 10).entries.map {
            let document: IncarnationDocument = try DocumentCoding.decode(from: $0)
            return "\(document.node) \(document.state)"
        }
    }

    @Test("it is seen while it lives, says that it drains, and is gone when it leaves")
    func life() async throws {
        let lease = lease(1, "n1")
        #expect(!lease.isValid)
        try await lease.register()
        #expect(lease.isValid)
        #expect(try await names() == ["n1 active"])
        await lease.enter(.draining)
        #expect(try await names() == ["n1 draining"])
        await lease.leave()
        #expect(try await names().isEmpty)
    }

    @Test("a restarted process takes its predecessor's place at once")
    func restart() async throws {
        try await lease(1, "n1").register()
        try await lease(2, "n1", predecessor: IncarnationID(bits: 1)).register()
        #expect(try await names() == ["n1 active"])
    }

    @Test("a name that a live node has is refused, and taken once that node is gone")
    func namesake() async throws {
        let first = lease(1, "n1")
        try await first.register()
        try await lease(2, "n2").register()
        async let second: Void = lease(3, "n1").register()
        await first.leave()
        try await second
        #expect(try await names().sorted() == ["n1 active", "n2 active"])
    }
}
