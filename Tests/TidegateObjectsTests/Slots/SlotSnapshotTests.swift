import Testing
import TidegateCore
import TidegateObjects
import TidegateTestKit

@Suite("Snapshots of slots")
struct SlotSnapshotTests {
    private let fixture = SlotFixture()

    private func gateway(_ objects: Objects, _ name: String = "prod") async throws -> GatewayUID {
        let accounts = fixture.accounts(objects)
        if try await accounts.account("acme") == nil {
            _ = try await accounts.createAccount(
                id: "acme", name: "", plan: .unlimited, overrides: EntitlementOverrides())
        }
        return try await accounts.createGateway(name, of: "acme", settings: GatewaySettings()).uid
    }

    private func snapshots() async throws -> [SlotSnapshot] {
        var found: [SlotSnapshot] = []
        for index in 0..<2 {
            let slot = SlotID(region: "r1", index: index)
            if let entry = try await fixture.coordination.get(fixture.keys.snapshot(slot)) {
                found.append(try DocumentCoding.decode(from: entry))
            }
        }
        return found
    }

    private var logKeys: [String] { fixture.store.keys.filter { $0.contains("/log/") } }

    @Test("let the log go that two of them cover, and start the next owner from the newest")
    func trim() async throws {
        let first = fixture.objects(MemoryGatewayStorages()) { $0.snapshotObjects = 4 }
        try await first.start()
        let uid = try await gateway(first)
        for number in 1...40 { #expect(await first.send(number...number, to: uid) == [.committed]) }
        #expect(try await eventually { try await snapshots().contains { ($0.prev?.n ?? 0) >= 24 } })
        #expect(try await eventually { logKeys.count < 20 })
        await first.stop()
        #expect(try await snapshots().allSatisfy { $0.lineage.count == 1 })

        let second = fixture.objects(MemoryGatewayStorages())
        try await second.start()
        #expect(try await second.ids(of: uid) == Array(1...40))
        #expect(await second.send(40...41, to: uid) == [.duplicate, .committed])
        await second.stop()
    }

    @Test("are given up for the older one when the newest cannot be read")
    func older() async throws {
        let first = fixture.objects(MemoryGatewayStorages()) { $0.snapshotObjects = 3 }
        try await first.start()
        let uid = try await gateway(first)
        for number in 1...20 { _ = await first.send(number...number, to: uid) }
        #expect(try await eventually { try await snapshots().contains { $0.prev != nil } })
        await first.stop()
        let newest = try #require(try await snapshots().first { $0.prev != nil })
        fixture.store.lose(try #require(newest.cur?.manifest))

        let second = fixture.objects(MemoryGatewayStorages()) { $0.snapshotObjects = 3 }
        try await second.start()
        #expect(try await second.ids(of: uid) == Array(1...20))
        for number in 21...30 { _ = await second.send(number...number, to: uid) }
        let readable = newest.prev
        #expect(try await eventually { try await snapshots().contains { $0.prev == readable || $0.prev?.n ?? 0 > 20 } })
        await second.stop()
        let third = fixture.objects(MemoryGatewayStorages())
        try await third.start()
        #expect(try await third.ids(of: uid) == Array(1...30))
        await third.stop()
    }

    @Test("are taken before a slot is given up, so that nothing is replayed")
    func release() async throws {
        let first = fixture.objects(MemoryGatewayStorages())
        try await first.start()
        let uid = try await gateway(first)
        for number in 1...5 { _ = await first.send(number...number, to: uid) }
        await first.drain()
        let busy = try #require(try await snapshots().first { $0.cur != nil })
        for index in 0..<2 {
            let entry = try #require(
                try await fixture.coordination.get(fixture.keys.owner(SlotID(region: "r1", index: index))))
            let owner: SlotOwner = try DocumentCoding.decode(from: entry)
            #expect(owner.state == .free && owner.inc == nil && owner.claims.count == 0)
        }
        for key in logKeys { fixture.store.lose(key) }  // nobody needs them
        let second = fixture.objects(MemoryGatewayStorages())
        try await second.start()
        #expect(await second.slotStatus().contains { $0.n == busy.cur?.n && $0.holes.isEmpty })
        #expect(try await second.ids(of: uid) == Array(1...5))
        await second.stop()
    }

    @Test("copy only what changed, and keep a copy while one of the two names it")
    func unchanged() async throws {
        let objects = fixture.objects(MemoryGatewayStorages()) { $0.snapshotObjects = 2 }
        try await objects.start()
        // Two gateways in one slot, whichever it is.
        var uids: [Int: [GatewayUID]] = [:]
        var number = 0
        while uids.values.allSatisfy({ $0.count < 2 }) {
            number += 1
            let uid = try await gateway(objects, "g\(number)")
            uids[SlotHash.index(of: uid, count: 2), default: []].append(uid)
        }
        let pair = try #require(uids.values.first { $0.count == 2 })
        _ = await objects.send(1...1, to: pair[0])
        for number in 1...30 { _ = await objects.send(number...number, to: pair[1]) }
        #expect(try await eventually { try await snapshots().contains { ($0.prev?.n ?? 0) > 10 } })
        #expect(try await eventually { fixture.store.keys.filter { $0.contains("/db/\(pair[0])/") }.count == 1 })
        #expect(try await eventually { fixture.store.keys.filter { $0.contains("/db/\(pair[1])/") }.count <= 3 })
        #expect(try await eventually { fixture.store.keys.filter { $0.contains("/snap/") }.count <= 3 })
        await objects.stop()
        let next = fixture.objects(MemoryGatewayStorages())
        try await next.start()
        #expect(try await next.ids(of: pair[0]) == [1])
        #expect(try await next.ids(of: pair[1]) == Array(1...30))
        await next.stop()
    }

    @Test("outlive a gateway by two, then every object of it goes")
    func purge() async throws {
        let storages = MemoryGatewayStorages()
        let objects = fixture.objects(storages) { $0.snapshotObjects = 2 }
        try await objects.start()
        let accounts = fixture.accounts(objects)
        let uid = try await gateway(objects)
        for number in 1...8 { _ = await objects.send(number...number, to: uid) }
        #expect(try await eventually { fixture.store.keys.contains { $0.contains("\(uid)") } })
        _ = try await accounts.deleteGateway("prod", of: "acme")
        // Others of the slot go on; their entries bring the snapshots.
        var other = try await gateway(objects, "other-0")
        var number = 0
        while SlotHash.index(of: other, count: 2) != SlotHash.index(of: uid, count: 2) {
            number += 1
            other = try await gateway(objects, "other-\(number)")
        }
        for number in 1...20 { _ = await objects.send(number...number, to: other) }
        #expect(try await eventually { !fixture.store.keys.contains { $0.contains("\(uid)") } })
        let gone: GoneDocument = try DocumentCoding.decode(
            from: try #require(try await fixture.coordination.get(fixture.keys.gone(uid))))
        #expect(
            try await eventually {
                let entry = try await fixture.coordination.get(fixture.keys.gone(uid))
                let document: GoneDocument? = try entry.map { try DocumentCoding.decode(from: $0) }
                return document?.purged ?? false
            }, "\(gone)")
        await objects.stop()
    }

    @Test("what a crash left is swept by the next owner, and what a robbed owner wrote stays harmless")
    func sweep() async throws {
        let zombie = fixture.objects(MemoryGatewayStorages()) { $0.snapshotObjects = 3 }
        try await zombie.start()
        let uid = try await gateway(zombie)
        for number in 1...12 { _ = await zombie.send(number...number, to: uid) }
        #expect(try await eventually { try await snapshots().contains { $0.prev != nil } })
        let slot = SlotID(region: "r1", index: SlotHash.index(of: uid, count: 2))
        let leftovers = [
            fixture.keys.manifest(slot, epoch: 1, n: 99, rand: "x"),
            fixture.keys.database(uid, epoch: 1, n: 99, rand: "x"), fixture.keys.logObject(slot, epoch: 1, n: 99),
        ]
        for key in leftovers { try await fixture.store.put([1], at: key) }
        let owner = fixture.objects(MemoryGatewayStorages()) { $0.snapshotObjects = 3 }
        try await owner.start()
        #expect(
            try await eventually { leftovers.allSatisfy { !fixture.store.keys.contains($0) } },
            "\(leftovers.filter { fixture.store.keys.contains($0) })")
        #expect(await zombie.send(13...13, to: uid) == [.moved])
        for number in 13...20 { #expect(await owner.send(number...number, to: uid) == [.committed]) }
        await zombie.stop()
        await owner.stop()
        let next = fixture.objects(MemoryGatewayStorages())
        try await next.start()
        #expect(try await next.ids(of: uid) == Array(1...20))
        await next.stop()
    }

    @Test("are no way back for a gateway whose end is in the log and not yet in the documents")
    func halfDeleted() async throws {
        let first = fixture.objects(MemoryGatewayStorages())
        try await first.start()
        let uid = try await gateway(first)
        _ = await first.send(1...3, to: uid)
        // What an API node does first: the durable intent. It dies behind the entry, before the documents go.
        let key = fixture.keys.gateway("acme", "prod")
        let entry = try #require(try await fixture.coordination.get(key))
        var document: GatewayDocument = try DocumentCoding.decode(from: entry)
        document.state = .deleting
        _ = try await fixture.coordination.commit(
            CoordinationTransaction(then: [.put(key: key, value: try DocumentCoding.encode(document))]))
        try await first.deleteAll(of: uid)
        await first.drain()  // a snapshot without the gateway

        let second = fixture.objects(MemoryGatewayStorages()) { $0.snapshotObjects = 1 }
        try await second.start()
        #expect(await !second.send(4...4, to: uid).contains(.committed))
        try await fixture.accounts(second).sweepDeletions()
        #expect(try await fixture.coordination.get(key) == nil)
        #expect(try await fixture.coordination.get(fixture.keys.gone(uid)) != nil)
        await second.stop()
    }
}
