import Testing
import TidegateCore
import TidegateObjects
import TidegateTestKit

@Suite("Slots of a node")
struct SlotHostTests {
    private let fixture = SlotFixture()

    private func gateway(
        _ objects: Objects, rowsPerAccount: Int64?? = nil, settings: GatewaySettings = GatewaySettings()
    ) async throws -> GatewayView {
        let accounts = fixture.accounts(objects)
        var overrides = EntitlementOverrides()
        overrides.rowsPerAccount = rowsPerAccount
        _ = try await accounts.createAccount(id: "acme", name: "", plan: .unlimited, overrides: overrides)
        return try await accounts.createGateway("prod", of: "acme", settings: settings)
    }

    @Test("take a row once, in order, whatever is sent again")
    func deduplication() async throws {
        let objects = fixture.objects(MemoryGatewayStorages())
        try await objects.start()
        let uid = try await gateway(objects).uid
        #expect(await objects.send(1...3, to: uid) == [.committed, .committed, .committed])
        #expect(await objects.send(2...4, to: uid) == [.duplicate, .duplicate, .committed])
        #expect(await objects.send(6...6, to: uid) == [.expected(sequence: 5)])
        #expect(try await objects.ids(of: uid) == [1, 2, 3, 4])
        await objects.drain()
    }

    @Test("settle a commit whose outcome was hidden", arguments: [true, false])
    func hiddenOutcome(applied: Bool) async throws {
        let objects = fixture.objects(MemoryGatewayStorages())
        try await objects.start()
        let uid = try await gateway(objects).uid
        #expect(await objects.send(1...1, to: uid) == [.committed])
        fixture.coordination.failNextCommit(.unknownOutcome(applied: applied))
        fixture.store.failNextPut(.unknownOutcome(applied: applied))
        #expect(await objects.send(2...3, to: uid) == [.committed, .committed])
        #expect(try await objects.ids(of: uid) == [1, 2, 3])
        await objects.drain()
    }

    @Test("end within their time when the store takes nothing, and what they could not finish comes again")
    func drainWithoutStore() async throws {
        let objects = fixture.objects(MemoryGatewayStorages())
        try await objects.start()
        let uid = try await gateway(objects).uid
        #expect(await objects.send(1...1, to: uid) == [.committed])
        fixture.store.setDown(true)
        async let verdicts = objects.send(2...3, to: uid)
        while await objects.slotStatus().allSatisfy({ $0.gateways == 0 }) { await Task.yield() }
        await objects.drain(within: .milliseconds(100))
        #expect(await verdicts.allSatisfy { $0 != .committed })
        fixture.store.setDown(false)
        let next = fixture.objects(MemoryGatewayStorages())
        try await next.start()
        #expect(await next.send(2...3, to: uid) == [.committed, .committed])
        await next.drain()
    }

    @Test("replay the log into an empty database")
    func replay() async throws {
        let first = fixture.objects(MemoryGatewayStorages())
        try await first.start()
        let uid = try await gateway(first).uid
        for number in 1...20 { #expect(await first.send(number...number, to: uid) == [.committed]) }
        await first.stop()
        let second = fixture.objects(MemoryGatewayStorages())
        try await second.start()
        #expect(try await second.ids(of: uid) == Array(1...20))
        #expect(await second.send(20...21, to: uid) == [.duplicate, .committed])
        await second.drain()
    }

    @Test("name a hole in the log, and serve what is left")
    func hole() async throws {
        let first = fixture.objects(MemoryGatewayStorages())
        try await first.start()
        let uid = try await gateway(first).uid
        for number in 1...3 { _ = await first.send(number...number, to: uid) }
        await first.stop()
        let key = try #require(fixture.store.keys.first { $0.contains("/log/") && $0.hasSuffix("/2") })
        fixture.store.lose(key)
        let second = fixture.objects(MemoryGatewayStorages()) { $0.holeAfter = .milliseconds(30) }
        try await second.start()
        #expect(await second.slotStatus().flatMap(\.holes) == [2])
        #expect(try await second.ids(of: uid) == [1, 3])
        await second.drain()
        // Nobody forgets it: the next snapshot says so too.
        let third = fixture.objects(MemoryGatewayStorages())
        try await third.start()
        #expect(await third.slotStatus().flatMap(\.holes) == [2])
        await third.stop()
    }

    @Test("acknowledge nothing once somebody else has claimed them")
    func fencing() async throws {
        let zombie = fixture.objects(MemoryGatewayStorages())
        try await zombie.start()
        let uid = try await gateway(zombie).uid
        #expect(await zombie.send(1...2, to: uid) == [.committed, .committed])
        let owner = fixture.objects(MemoryGatewayStorages())
        try await owner.start()
        #expect(await zombie.send(3...3, to: uid) == [.moved])
        await #expect(throws: TidegateError.self) { try await zombie.ids(of: uid) }
        #expect(await owner.send(3...3, to: uid) == [.committed])
        #expect(try await owner.ids(of: uid) == [1, 2, 3])
        await zombie.stop()
        await owner.drain()
    }

    @Test("refuse rows at the account's cap for good, and say so in the log")
    func stop() async throws {
        var settings = GatewaySettings()
        settings.logManagementStrategy = .stopInserting
        let objects = fixture.objects(MemoryGatewayStorages())
        try await objects.start()
        let uid = try await gateway(objects, rowsPerAccount: 5, settings: settings).uid
        let verdicts = await objects.send(1...8, to: uid)
        #expect(verdicts == Array(repeating: .committed, count: 5) + Array(repeating: .permanent(.quota), count: 3))
        #expect(await objects.send(8...8, to: uid) == [.duplicate])
        let usage = try await fixture.accounts(objects).usage(of: "acme")
        #expect(usage.gateways.first?.liveRows == 5)
        #expect(usage.gateways.first?.allowance == 5)
        #expect(try await fixture.accounts(objects).account("acme")?.allocated == 5)
        await objects.drain()
    }

    @Test("make room by dropping the oldest rows, never holding more than the cap")
    func deleteOldest() async throws {
        var settings = GatewaySettings()
        settings.logManagementStrategy = .deleteOldest
        settings.logManagement = 5
        let storages = MemoryGatewayStorages()
        let objects = fixture.objects(storages)
        try await objects.start()
        let uid = try await gateway(objects, settings: settings).uid
        #expect(await objects.send(1...12, to: uid) == Array(repeating: .committed, count: 12))
        #expect(try await objects.ids(of: uid).last == 12)
        #expect(await storages.storage(uid)?.liveMax == 5)
        await objects.drain()
    }

    @Test("never let a deleted gateway's rows into its successor")
    func recreated() async throws {
        let objects = fixture.objects(MemoryGatewayStorages())
        try await objects.start()
        let old = try await gateway(objects).uid
        _ = await objects.send(1...2, to: old)
        let accounts = fixture.accounts(objects)
        _ = try await accounts.deleteGateway("prod", of: "acme")
        #expect(try await accounts.account("acme")?.allocated == 0)
        let new = try await accounts.createGateway("prod", of: "acme", settings: GatewaySettings()).uid
        #expect(new != old)
        #expect(await objects.send(3...3, to: old) == [.gone])
        #expect(try await objects.ids(of: new).isEmpty)
        await objects.stop()
        let restarted = fixture.objects(MemoryGatewayStorages())
        try await restarted.start()
        #expect(await restarted.send(3...3, to: old) == [.gone])
        #expect(await restarted.send(1...1, to: new) == [.committed])
        await restarted.drain()
    }

    @Test("log the refusal of a record that nobody can read")
    func invalid() async throws {
        let objects = fixture.objects(MemoryGatewayStorages())
        try await objects.start()
        let uid = try await gateway(objects).uid
        let batch = DeliveryBatch(
            stream: StreamID(bits: 1), gateway: uid, firstSequence: 1, records: [[9, 9]], resolvedBelow: 0)
        #expect(await objects.deliver(batch) == [.permanent(.invalid)])
        #expect(await objects.send(2...2, to: uid) == [.committed])
        await objects.drain()
    }

    @Test("keep an edit that is faster than its row")
    func earlyEdit() async throws {
        let objects = fixture.objects(MemoryGatewayStorages())
        try await objects.start()
        let uid = try await gateway(objects).uid
        let patch = LogPatch(feedback: .some(1))
        let early = try await objects.patch(RecordID(bits: 1), of: uid, patch)
        #expect(early.isWaiting)
        _ = await objects.send(1...1, to: uid)
        let late = try await objects.patch(RecordID(bits: 1), of: uid, patch)
        #expect(!late.isWaiting)
        let deleted = try await objects.delete(from: uid, matching: LogQuery(), limit: 10)
        #expect(deleted.count == 1)
        #expect(try await objects.ids(of: uid).isEmpty)
        await objects.drain()
    }
}

extension PatchOutcome {
    fileprivate var isWaiting: Bool { if case .waiting = self { true } else { false } }
}
