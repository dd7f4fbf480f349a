import Foundation
import Testing
import TidegateCore
import TidegateObjects
import TidegateTestKit

@Suite("Copies of a gateway's database")
struct DatabaseCopyTests {
    let fixture = DatabaseFixture()

    @Test(
        "a pinned content stays as it was, and comes back equal on another machine", arguments: [UInt64(1), 2],
        [false, true])
    func copies(seed: UInt64, asCopy: Bool) async throws {
        let history = DatabaseFixture.history(seed: seed, rows: 400)
        let log = try await fixture.open()
        for (index, entries) in history.prefix(20).enumerated() {
            _ = try await log.apply(n: LogIndex(index + 1), epoch: 1, entries)
        }
        let hash = try await log.contentHash()
        let pinned = try await log.pin(asCopy: asCopy)
        #expect(pinned.appliedN == 20)
        for (index, entries) in history.dropFirst(20).enumerated() {
            _ = try await log.apply(n: LogIndex(index + 21), epoch: 1, entries)
        }
        let item = try await pinned.store(at: "1/db/x/1/20-a")
        #expect(item.appliedN == 20 && item.size > 0)

        let elsewhere = fixture.databases(bootID: "another machine")
        let copy = try await elsewhere.log(DatabaseFixture.gateway, slot: DatabaseFixture.slot, from: item)
        #expect(try await copy.contentHash() == hash)
        for (index, entries) in history.dropFirst(20).enumerated() {
            _ = try await copy.apply(n: LogIndex(index + 21), epoch: 1, entries)
        }
        #expect(try await copy.contentHash() == log.contentHash())
        // What lies here already is newer than the copy: it stays.
        await copy.close()
        let again = try await elsewhere.log(DatabaseFixture.gateway, slot: DatabaseFixture.slot, from: item)
        #expect(try await again.contentHash() == log.contentHash())
        await elsewhere.closeAll()
        await log.close()
    }

    @Test("a damaged copy, or somebody else's, is never taken", arguments: [0, 1, 2])
    func damage(kind: Int) async throws {
        let log = try await fixture.open()
        var seed = DatabaseSeed(state: 3)
        let record = DatabaseFixture.record(&seed, 1)
        _ = try await log.apply(n: 1, epoch: 1, [DatabaseFixture.entry(record, n: 1, index: 0, sequence: 1)])
        let item = try await log.pin(asCopy: false).store(at: "1/db/x/1/1-a")
        await log.close()
        var bytes = try await fixture.store.get(item.key)
        switch kind {
        case 0: bytes[bytes.count / 2] ^= 1
        case 1: bytes.removeLast(3)
        default: break
        }
        fixture.store.damage(item.key, bytes)
        let gateway = kind == 2 ? GatewayUID(bits: 5) : DatabaseFixture.gateway
        let databases = fixture.databases(bootID: "another machine")
        await #expect(throws: TidegateError.self) {
            _ = try await databases.log(gateway, slot: DatabaseFixture.slot, from: item)
        }
        await databases.closeAll()
        let left = try? FileManager.default.contentsOfDirectory(atPath: fixture.folder + "/scratch")
        #expect(left ?? [] == [])
    }
}
