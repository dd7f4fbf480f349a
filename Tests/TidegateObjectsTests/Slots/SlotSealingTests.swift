import Foundation
import Testing
import TidegateCore
import TidegateObjects
import TidegateTestKit

@Suite("Slots that seal rows")
struct SlotSealingTests {
    private let fixture = SlotFixture()
    private let folder = DatabaseFixture()

    private func node(_ name: String) -> (objects: Objects, databases: GatewayDatabases) {
        var sealing = Segments.Settings()
        sealing.limits.rowsMax = 20
        let path = folder.folder + "/" + name
        let segments = Segments(folder: path + "/cache", bootID: name, store: fixture.store, settings: sealing)
        let databases = GatewayDatabases(folder: path, bootID: name, store: fixture.store, segments: segments)
        let objects = fixture.objects(over: databases) { settings in
            (settings.seal.segmentRows, settings.seal.hotRowsKept, settings.sealLookRows) = (20, 5, 4)
            settings.slot.snapshotObjects = 8
            settings.pinnedConnectionsMax = 1
        }
        return (objects, databases)
    }

    private func gateway(_ objects: Objects) async throws -> GatewayUID {
        let accounts = fixture.accounts(objects)
        _ = try await accounts.createAccount(
            id: "acme", name: "", plan: .unlimited, overrides: EntitlementOverrides())
        return try await accounts.createGateway("prod", of: "acme", settings: GatewaySettings()).uid
    }

    private var sealed: Set<String> { Set(fixture.store.keys.filter { $0.contains("/seg/") }) }

    private func all(_ objects: Objects, _ uid: GatewayUID) async throws -> [Int] {
        var query = LogQuery()
        query.perPage = 1_000
        return try await objects.logs(of: uid, query).rows.map { Int($0.record.id.bits) }.sorted()
    }

    @Test("keep every row and edit readable, here and on a node that never saw them")
    func takeOver() async throws {
        let first = node("first")
        try await first.objects.start()
        let uid = try await gateway(first.objects)
        for number in 0..<30 {
            #expect(
                await first.objects.send((number * 5 + 1)...(number * 5 + 5), to: uid).allSatisfy { $0 == .committed })
        }
        #expect(try await eventually { sealed.count >= 5 })
        let patch = LogPatch(feedback: .some(1))
        _ = try await first.objects.patch(RecordID(bits: 3), of: uid, patch)
        var query = LogQuery()
        query.filters = [LogFilter(key: .id, operator: .eq, values: [.string("\(RecordID(bits: 7))")])]
        #expect(try await first.objects.delete(from: uid, matching: query, limit: 10).count == 1)
        let expected = Array(1...150).filter { $0 != 7 }
        #expect(try await all(first.objects, uid) == expected)
        await first.objects.drain()
        await first.databases.closeAll()

        // What an owner left that died before its entry was committed.
        let orphan = fixture.keys.segment(uid, epoch: 1, rand: "orphan")
        try await fixture.store.put([1, 2, 3], at: orphan)
        let second = node("second")
        try await second.objects.start()
        #expect(try await all(second.objects, uid) == expected)
        let row = try await second.objects.log(RecordID(bits: 3), of: uid)?.row
        #expect(row?.feedback == 1)
        let deleted = try await second.objects.log(RecordID(bits: 7), of: uid)?.row
        #expect(deleted == nil)
        #expect(try await eventually { !sealed.contains(orphan) })
        #expect(await second.objects.send(150...151, to: uid) == [.duplicate, .committed])
        await second.objects.drain()
        await second.databases.closeAll()
    }

    @Test("snapshot more databases than may be held open, while rows go on")
    func manyGateways() async throws {
        let first = node("many-1")
        try await first.objects.start()
        let accounts = fixture.accounts(first.objects)
        _ = try await accounts.createAccount(
            id: "acme", name: "", plan: .unlimited, overrides: EntitlementOverrides())
        var uids: [GatewayUID] = []
        for number in 0..<7 {
            uids.append(
                try await accounts.createGateway("g\(number)", of: "acme", settings: GatewaySettings()).uid)
        }
        for round in 0..<10 {
            for uid in uids {
                #expect(await first.objects.send((round + 1)...(round + 1), to: uid) == [.committed])
            }
        }
        await first.objects.drain()
        await first.databases.closeAll()
        let copies = fixture.store.keys.filter { $0.contains("/db/") }
        #expect(Set(copies.map { $0.split(separator: "/")[2] }).count == uids.count)
        let second = node("many-2")
        try await second.objects.start()
        for uid in uids { #expect(try await all(second.objects, uid) == Array(1...10)) }
        await second.objects.drain()
        await second.databases.closeAll()
    }

    @Test("delete bodies that no row names and none will, and no others")
    func orphanedBodies() async throws {
        let node = node("bodies")
        try await node.objects.start()
        let uid = try await gateway(node.objects)
        let stream = StreamID(bits: 1)
        func key(_ intent: UInt64, _ stream: StreamID = StreamID(bits: 1)) -> String {
            fixture.keys.bodyObject(uid, stream, intent: intent, .response)
        }
        func send(_ number: Int, resolvedBelow: UInt64) async {
            var record = LogRecord(id: RecordID(bits: UInt128(number)), gateway: uid, startedAtMs: 0)
            if number <= 60 { record.responseObject = key(UInt64(number)) }
            let verdicts = await node.objects.deliver(
                DeliveryBatch(
                    stream: stream, gateway: uid, firstSequence: UInt64(number), records: [record.encoded()[...]],
                    resolvedBelow: resolvedBelow))
            #expect(verdicts == [.committed])
        }
        // Hot rows' and sealed rows' bodies, one of a lost row, one that is on its way, one of an outbox never heard of.
        for number in 1...60 { try await fixture.store.put([1], at: key(UInt64(number))) }
        let (lost, coming, foreign) = (key(70), key(71), key(1, StreamID(bits: 5)))
        for key in [lost, coming, foreign] { try await fixture.store.put([1], at: key) }
        for number in 1...60 { await send(number, resolvedBelow: UInt64(number)) }
        #expect(try await eventually { sealed.count >= 2 })
        // Deleted rows' bodies wait for both snapshots; those of sealed rows also until their segment is rewritten.
        let deleted = [1, 2, 3, 4, 5, 59]
        for number in deleted {
            var query = LogQuery()
            query.filters = [
                LogFilter(key: .id, operator: .eq, values: [.string("\(RecordID(bits: UInt128(number)))")])
            ]
            #expect(try await node.objects.delete(from: uid, matching: query, limit: 1).count == 1)
        }
        let expected = Set((1...60).filter { !deleted.contains($0) }.map { key(UInt64($0)) }).union([coming, foreign])
        var next = 61
        while bodies != expected, next < 1_000 {
            await send(next, resolvedBelow: 71)
            #expect(bodies.isSuperset(of: expected))
            next += 1
            try await Task.sleep(for: .milliseconds(5))
        }
        #expect(bodies == expected)
        await node.objects.drain()
        await node.databases.closeAll()
    }

    private var bodies: Set<String> { Set(fixture.store.keys.filter { $0.contains("/body/") }) }

    @Test("delete replaced segments once no retained snapshot names them")
    func collect() async throws {
        let node = node("node")
        try await node.objects.start()
        let uid = try await gateway(node.objects)
        for number in 0..<20 {
            _ = await node.objects.send((number * 5 + 1)...(number * 5 + 5), to: uid)
        }
        #expect(try await eventually { sealed.count >= 4 })
        let before = sealed
        // A third of everything: each segment is worth rewriting.
        for number in stride(from: 1, through: 100, by: 3) {
            var query = LogQuery()
            query.filters = [
                LogFilter(key: .id, operator: .eq, values: [.string("\(RecordID(bits: UInt128(number)))")])
            ]
            _ = try await node.objects.delete(from: uid, matching: query, limit: 1)
        }
        var next = 101
        while !sealed.isDisjoint(with: before), next < 1_000 {
            _ = await node.objects.send(next...next, to: uid)
            next += 1
            try await Task.sleep(for: .milliseconds(5))
        }
        #expect(sealed.isDisjoint(with: before))
        let gone = Set(stride(from: 1, through: 100, by: 3))
        #expect(try await all(node.objects, uid) == Array(1..<next).filter { !gone.contains($0) })
        await node.objects.drain()
        await node.databases.closeAll()
    }
}
