import Testing
import TidegateCore
import TidegateObjects
import TidegateTestKit

@Suite("Accounts")
struct AccountManagerTests {
    private let fixture = SlotFixture()

    @Test("are listed in order, and only they, whatever else is kept under them")
    func list() async throws {
        let accounts = fixture.accounts(fixture.objects(MemoryGatewayStorages()))
        for id in ["b", "a", "a-b", "c"] {
            _ = try await accounts.createAccount(
                id: id, name: id, plan: .free, overrides: EntitlementOverrides())
            _ = try await accounts.createGateway("g", of: id, settings: GatewaySettings())
        }
        #expect(try await accounts.accounts(after: nil, limit: 10).map(\.id).sorted() == ["a", "a-b", "b", "c"])
        #expect(try await accounts.accounts(after: "b", limit: 10).map(\.id) == ["c"])
    }

    @Test("keep the caps that a change does not name")
    func overrides() async throws {
        let accounts = fixture.accounts(fixture.objects(MemoryGatewayStorages()))
        var caps = EntitlementOverrides()
        (caps.gateways, caps.rowsPerGateway) = (.some(3), .some(500))
        _ = try await accounts.createAccount(id: "acme", name: "", plan: .paid, overrides: caps)
        var change = EntitlementOverrides()
        change.rowsPerAccount = .some(nil)
        let changed = try await accounts.updateAccount("acme", name: nil, plan: nil, overrides: change).entitlements
        #expect(changed == Entitlements(gateways: 3, rowsPerAccount: nil, rowsPerGateway: 500))
    }

    @Test("take one gateway of a name, and no more than they may have")
    func gateways() async throws {
        let accounts = fixture.accounts(fixture.objects(MemoryGatewayStorages()))
        var overrides = EntitlementOverrides()
        overrides.gateways = .some(2)
        _ = try await accounts.createAccount(id: "a", name: "", plan: .free, overrides: overrides)
        fixture.coordination.failNextCommit(.unknownOutcome(applied: true))
        for name in ["x", "y"] { _ = try? await accounts.createGateway(name, of: "a", settings: GatewaySettings()) }
        _ = try? await accounts.createGateway("x", of: "a", settings: GatewaySettings())
        let count = try await accounts.gateways(of: "a").count
        #expect(try await accounts.account("a")?.gatewayCount == count)
        #expect(count == 2)
        await #expect(throws: TidegateError.self) {
            _ = try await accounts.createGateway("z", of: "a", settings: GatewaySettings())
        }
        await #expect(throws: TidegateError.self) { try await accounts.deleteAccount("a") }
    }

    @Test("finish a deletion that a crash cut short")
    func sweep() async throws {
        let objects = fixture.objects(MemoryGatewayStorages())
        try await objects.start()
        let accounts = fixture.accounts(objects)
        try await accounts.ensureDefault(authentication: false)
        try await accounts.ensureDefault(authentication: false)
        #expect(try await accounts.account("default")?.gatewayCount == 1)
        let key = fixture.keys.gateway("default", "default")
        let entry = try #require(try await fixture.coordination.get(key))
        var document: GatewayDocument = try DocumentCoding.decode(from: entry)
        document.state = .deleting
        let put = CoordinationTransaction.Operation.put(key: key, value: try DocumentCoding.encode(document))
        _ = try await fixture.coordination.commit(CoordinationTransaction(then: [put]))
        try await accounts.sweepDeletions()
        #expect(try await fixture.coordination.get(key) == nil)
        #expect(try await accounts.account("default")?.gatewayCount == 0)
        await objects.drain()
    }
}
