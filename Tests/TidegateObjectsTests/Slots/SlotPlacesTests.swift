import Synchronization
import Testing
import TidegateCore
import TidegateTestKit

@testable import TidegateObjects

@Suite("Places in a slot's log")
struct SlotPlacesTests {
    private let fixture = SlotFixture()

    @Test("are the same on every replay, also behind a second end of a gateway")
    func behindEnds() async throws {
        let objects = fixture.objects(MemoryGatewayStorages())
        try await objects.start()
        let accounts = fixture.accounts(objects)
        _ = try await accounts.createAccount(
            id: "acme", name: "", plan: .unlimited, overrides: EntitlementOverrides())
        let old = try await accounts.createGateway("old", of: "acme", settings: GatewaySettings()).uid
        var other = old
        while other == old || SlotHash.index(of: other, count: 2) != SlotHash.index(of: old, count: 2) {
            let name = "g\(SlotFixture.bits())"
            other = try await accounts.createGateway(name, of: "acme", settings: GatewaySettings()).uid
        }
        _ = await objects.send(1...1, to: old)
        _ = await objects.send(1...1, to: other)
        // The first end lies in one object; a second one, and a row behind it, in the next.
        fixture.store.setDown(true)
        let mailbox = try await objects.host(of: old).mailbox
        mailbox.post(.append(old, .gatewayDeleted, reply: { _ in }))
        while fixture.store.refusals == 0 { await Task.yield() }
        let verdicts = Mutex<[RecordVerdict]>([])
        mailbox.post(.append(old, .gatewayDeleted, reply: { _ in }))
        let row = LogRecord(id: RecordID(bits: 2), gateway: other, startedAtMs: 0).encoded()[...]
        objects.submit(
            DeliveryBatch(
                stream: StreamID(bits: 1), gateway: other, firstSequence: 2, records: [row], resolvedBelow: 0)
        ) { answer in verdicts.withLock { $0 = answer } }
        fixture.store.setDown(false)
        while verdicts.withLock({ $0.isEmpty }) { await Task.yield() }
        #expect(verdicts.withLock { $0 } == [.committed])
        let places = try await objects.logs(of: other, LogQuery()).rows.map(\.lsn)
        await objects.stop()
        let next = fixture.objects(MemoryGatewayStorages())
        try await next.start()
        #expect(try await next.logs(of: other, LogQuery()).rows.map(\.lsn) == places)
        await next.drain()
    }
}
