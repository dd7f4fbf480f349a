import Testing
import TidegateCore
import TidegateObjects
import TidegateTestKit

@Suite("Slots whose rows reach their age")
struct SlotRetentionTests {
    private let fixture = SlotFixture()
    private let folder = DatabaseFixture()

    private func node(_ name: String) -> Objects {
        let path = folder.folder + "/" + name
        let segments = Segments(folder: path + "/cache", bootID: name, store: fixture.store)
        let databases = GatewayDatabases(folder: path, bootID: name, store: fixture.store, segments: segments)
        return fixture.objects(over: databases) { $0.retention.interval = .milliseconds(5) }
    }

    private func account(_ accounts: AccountManager, rows: Int64? = nil) async throws {
        _ = try await accounts.createAccount(
            id: "acme", name: "", plan: .unlimited, overrides: EntitlementOverrides())
    }

    private func gateway(_ name: String, days: Int?, _ accounts: AccountManager) async throws -> GatewayUID {
        var settings = GatewaySettings()
        settings.logRetentionDays = days
        return try await accounts.createGateway(name, of: "acme", settings: settings).uid
    }

    @Test("rows go after their days and not before; without the setting they stay")
    func age() async throws {
        let objects = node("a")
        try await objects.start()
        let accounts = fixture.accounts(objects)
        try await account(accounts)
        let short = try await gateway("short", days: 2, accounts)
        let kept = try await gateway("kept", days: nil, accounts)
        for uid in [short, kept] {
            #expect(await objects.send(1...1, to: uid) == [.committed])
            fixture.clock.advance(byMilliseconds: 10)
            #expect(await objects.send(2...3, to: uid).allSatisfy { $0 == .committed })
            fixture.clock.advance(byMilliseconds: -10)
        }
        fixture.clock.advance(byMilliseconds: RetentionCore.dayMs)
        #expect(await objects.send(4...5, to: short).allSatisfy { $0 == .committed })
        fixture.clock.advance(byMilliseconds: RetentionCore.dayMs + 5)
        // One sweep takes the row that is old enough, and not those that will be in a moment.
        #expect(try await eventually { try await objects.ids(of: short).sorted() == [2, 3, 4, 5] })
        fixture.clock.advance(byMilliseconds: 6)
        #expect(try await eventually { try await objects.ids(of: short).sorted() == [4, 5] })
        #expect(try await objects.ids(of: kept).count == 3)
        #expect(try await objects.liveRows(of: short) == 2)
        // The log goes on behind what went.
        #expect(await objects.send(6...6, to: short) == [.committed])
        #expect(try await objects.ids(of: short).sorted() == [4, 5, 6])
        await objects.drain()
    }

    @Test("a gateway that nobody asks for is swept by its next owner, too")
    func takeOver() async throws {
        let first = node("first")
        try await first.start()
        let accounts = fixture.accounts(first)
        try await account(accounts)
        let uid = try await gateway("idle", days: 1, accounts)
        #expect(await first.send(1...4, to: uid).allSatisfy { $0 == .committed })
        await first.drain()
        let second = node("second")
        try await second.start()
        fixture.clock.advance(byMilliseconds: RetentionCore.dayMs + 1)
        #expect(
            try await eventually {
                let positions = await second.slotStatus()
                return positions.contains { $0.gateways == 1 && $0.n > 1 }
            })
        #expect(try await eventually { try await second.liveRows(of: uid) == 0 })
        await second.drain()
    }
}
