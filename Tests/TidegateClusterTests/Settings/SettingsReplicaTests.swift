import Logging
import ServiceLifecycleTestKit
import Testing
import TidegateCore
import TidegateTestKit

@testable import TidegateCluster

@Suite("Settings replica", .timeLimit(.minutes(1)))
struct SettingsReplicaTests {
    private let store = MemoryCoordinationStore()

    private func replica() -> SettingsReplica {
        SettingsReplica(store: store, keys: CoordinationKeys(), slotCount: 16, logger: Logger(label: "test"))
    }

    @Test("it ends when the node stops, so that the node does not wait for its longest drain")
    func ends() async throws {
        let replica = replica()
        try await testGracefulShutdown { trigger in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await replica.run() }
                trigger.triggerGracefulShutdown()
                try await group.waitForAll()
            }
        }
    }

    @Test("what was written through this node is seen at once, also where its absence is remembered")
    func adoption() async throws {
        let replica = replica()
        #expect(try await replica.resolveGateway(account: "acme", name: "prod") == nil)
        let view = GatewayView(
            account: "acme", name: "prod", uid: GatewayUID(bits: 1), settings: GatewaySettings(), revision: 9,
            createdAtMs: 0, modifiedAtMs: 0)
        replica.adopt(view)
        #expect(replica.cachedGateway(account: "acme", name: "prod")?.uid == view.uid)
    }
}
