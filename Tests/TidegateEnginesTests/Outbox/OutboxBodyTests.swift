import Foundation
import Synchronization
import Testing
import TidegateCore
import TidegateEngines
import TidegateTestKit

@Suite("Long bodies in the outbox", .timeLimit(.minutes(1)))
struct OutboxBodyTests {
    private let directory: TemporaryDirectory
    init() throws { directory = try TemporaryDirectory() }

    private var folder: String { directory.path + "/bodies" }
    private func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    }

    private static func bytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
        var random = SeededGenerator(seed: seed)
        return random.bytes(count)
    }

    private func ticket(
        _ outbox: Outbox, _ number: Int, _ gateway: GatewayUID = OutboxFixture.gateway
    ) throws -> CaptureTicket {
        guard
            case .admitted(let ticket) = outbox.admit(
                RecordID(bits: UInt128(number)), gateway: gateway, policy: .reject)
        else { throw TidegateError(.overloaded, "The outbox is full.") }
        return ticket
    }

    /// A row with long bodies, completed.
    @discardableResult
    private func capture(
        _ outbox: Outbox, _ number: Int, _ gateway: GatewayUID = OutboxFixture.gateway, request: [UInt8]? = nil,
        response: [UInt8]? = nil
    ) throws -> CaptureTicket {
        let ticket = try ticket(outbox, number, gateway)
        var record = OutboxFixture.record(number, gateway, body: 3)
        for (part, bytes) in [(BodyPart.request, request), (.response, response)] {
            guard let bytes else { continue }
            let file = try #require(outbox.openBody(part, of: ticket))
            for start in stride(from: 0, to: bytes.count, by: 1_000) {
                let end = min(start + 1_000, bytes.count)
                #expect(bytes[start..<end].withUnsafeBytes { file.append($0) })
            }
            #expect(file.contents(bytesMax: bytes.count) == bytes && file.contents(bytesMax: bytes.count - 1) == nil)
            let mark = file.finish()
            if part == .request { record.requestObject = mark } else { record.responseObject = mark }
        }
        _ = try outbox.complete(ticket, record) { _ in }
        return ticket
    }

    private func waiting(_ outbox: Outbox, _ count: Int) async -> [WaitingBody] {
        while true {
            let found = outbox.waitingBodies(limit: 100)
            if found.count >= count { return found }
            await Task.yield()
        }
    }

    @Test(
        "a row waits for its bodies and what is behind it waits, too; other gateways do not", arguments: [0, 64 << 20])
    func order(memoryBytesMax: Int) async throws {
        var settings = OutboxFixture.small
        settings.memoryBytesMax = memoryBytesMax
        let outbox = try OutboxFixture.open(directory.path, settings)
        defer { outbox.close() }
        try OutboxFixture.capture(outbox, 1...2)
        let (request, response) = (Self.bytes(300_000), Self.bytes(500_001, seed: 2))
        try capture(outbox, 3, request: request, response: response)
        try OutboxFixture.capture(outbox, 4...5)
        try OutboxFixture.capture(outbox, 6...6, OutboxFixture.other)
        let bodies = await waiting(outbox, 2)
        #expect(try names().count == 2)
        #expect(outbox.statistics.bytes >= 800_001)
        #expect(try await OutboxFixture.drain(outbox, count: 2).map(\.sequence) == [1, 2])
        #expect(try await OutboxFixture.drain(outbox, OutboxFixture.other, count: 1).count == 1)
        #expect(try await outbox.records(of: OutboxFixture.gateway, from: 3, recordsMax: 9, bytesMax: 1_000) == nil)
        outbox.acknowledge(OutboxFixture.gateway, through: 2)
        outbox.acknowledge(OutboxFixture.other, through: 1)
        #expect(outbox.gatewaysWithRecords() == [])

        #expect(bodies.map(\.place.part) == [.request, .response] && bodies.map(\.bytes) == [300_000, 500_001])
        for (body, bytes) in zip(bodies, [request, response]) {
            let path = try #require(try await outbox.file(of: body))
            #expect(FileManager.default.contents(atPath: path) == Data(bytes))
        }
        outbox.stored(bodies[1], at: "1/body/b")
        #expect(outbox.gatewaysWithRecords() == [])
        outbox.stored(bodies[0], at: "1/body/a")
        #expect(outbox.gatewaysWithRecords() == [OutboxFixture.gateway] && outbox.waitingBodies(limit: 9) == [])
        let rest = try await OutboxFixture.drain(outbox, count: 3)
        #expect(rest.map(\.sequence) == [3, 4, 5])
        #expect(rest[0].record.requestObject == "1/body/a" && rest[0].record.responseObject == "1/body/b")
        #expect(rest[1].record == OutboxFixture.record(4))
        outbox.acknowledge(OutboxFixture.gateway, through: 3)
        while try !names().isEmpty { await Task.yield() }
        #expect(outbox.statistics.bytes < 300_000)
    }

    @Test("after a restart a captured row's bodies wait again, and a call that never ended leaves none")
    func restart() async throws {
        let outbox = try OutboxFixture.open(directory.path)
        let bytes = Self.bytes(400_000)
        try capture(outbox, 1, response: bytes)
        try capture(outbox, 2, request: bytes)
        let before = await waiting(outbox, 2)
        outbox.stored(before[0], at: "k")
        let open = try ticket(outbox, 3)
        let file = try #require(outbox.openBody(.request, of: open))
        #expect(bytes.withUnsafeBytes { file.append($0) })
        try outbox.writeIntent(open, announcing: OutboxFixture.record(3))
        #expect(try names().count == 3)
        outbox.close()

        let again = try OutboxFixture.open(directory.path)
        defer { again.close() }
        // What was stored is stored once more: the same bytes under the same key.
        #expect(await waiting(again, 2) == before)
        #expect(try names().count == 2)
        #expect(again.statistics.bytes >= 800_000)
        for body in before {
            let path = try #require(try await again.file(of: body))
            #expect(FileManager.default.contents(atPath: path) == Data(bytes))
            again.stored(body, at: "k\(body.intent)")
        }
        let found = try await OutboxFixture.drain(again, count: 3)
        #expect(found[0].record.responseObject == "k\(before[0].intent)")
        #expect(found[2].record.outcome == .aborted && found[2].record.requestObject == "")
        withExtendedLifetime(file) {}
    }

    @Test("a file that was cut or lost costs its row the body, not the row", arguments: ["cut", "gone"])
    func lost(how: String) async throws {
        let outbox = try OutboxFixture.open(directory.path)
        try capture(outbox, 1, response: Self.bytes(400_000))
        outbox.close()
        let path = folder + "/" + (try #require(try names().first))
        if how == "cut" { #expect(truncate(path, 399_999) == 0) } else { #expect(unlink(path) == 0) }
        let again = try OutboxFixture.open(directory.path)
        defer { again.close() }
        let body = try #require(await waiting(again, 1).first)
        #expect(try await again.file(of: body) == nil)
        again.lost(body)
        let row = try #require(try await OutboxFixture.drain(again, count: 1).first?.record)
        #expect(row.responseObject == "" && row.flags.contains(.responseBodyTruncated))
    }

    @Test("a body that finds no room leaves nothing behind", arguments: ["disk", "bound", "left", "given up"])
    func noRoom(why: String) async throws {
        var settings = OutboxFixture.small
        let isFull = Atomic<Bool>(false)
        settings.bytesMax = 1_000_000
        settings.bodyFault = { isFull.load(ordering: .relaxed) ? ENOSPC : 0 }
        let outbox = try OutboxFixture.open(directory.path, settings)
        defer { outbox.close() }
        let ticket = try ticket(outbox, 1)
        let before = outbox.statistics.bytes
        do {
            let file = try #require(outbox.openBody(.request, of: ticket))
            let bytes = Self.bytes(600_000)
            #expect(bytes.withUnsafeBytes { file.append($0) })
            #expect(outbox.statistics.bytes == before + 600_000)
            switch why {
            case "disk":
                isFull.store(true, ordering: .relaxed)
                #expect(!bytes.withUnsafeBytes { file.append($0) })
            case "bound": #expect(!bytes.withUnsafeBytes { file.append($0) })
            case "given up":
                _ = file.finish()
                file.discard()
            default: break  // the call went away with the last reference
            }
        }
        #expect(try names() == [] && outbox.statistics.bytes == before)
        _ = try outbox.complete(ticket, OutboxFixture.record(1)) { _ in }
        #expect(try await OutboxFixture.drain(outbox, count: 1).first?.record == OutboxFixture.record(1))
    }

    @Test("in mode power a row is safe only with its bodies")
    func power() async throws {
        var settings = OutboxFixture.small
        settings.mode = .power
        let outbox = try OutboxFixture.open(directory.path, settings)
        defer { outbox.close() }
        let ticket = try ticket(outbox, 1)
        let file = try #require(outbox.openBody(.response, of: ticket))
        #expect(Self.bytes(300_000).withUnsafeBytes { file.append($0) })
        var record = OutboxFixture.record(1)
        record.responseObject = file.finish()
        let failure = try await withCheckedThrowingContinuation { continuation in
            do {
                let result = try outbox.complete(ticket, record) { continuation.resume(returning: $0) }
                #expect(result == .pending)
            } catch { continuation.resume(throwing: error) }
        }
        #expect(failure == nil)
        #expect(outbox.waitingBodies(limit: 1).count == 1)
    }

    @Test("each gateway's first body comes before any gateway's second")
    func fairness() async throws {
        let outbox = try OutboxFixture.open(directory.path)
        defer { outbox.close() }
        for number in 1...5 { try capture(outbox, number, request: Self.bytes(1_500)) }
        try capture(outbox, 6, OutboxFixture.other, request: Self.bytes(1_500))
        let places = await waiting(outbox, 6).map {
            "\($0.place.gateway == OutboxFixture.other ? "b" : "a")\($0.place.sequence)"
        }
        #expect(places == ["a1", "b1", "a2", "a3", "a4", "a5"])
        #expect(outbox.waitingBodies(limit: 2).map(\.place.sequence) == [1, 1])
    }

    @Test("under a new stream all bodies of rows that nobody has get new names")
    func newStream() async throws {
        let outbox = try OutboxFixture.open(directory.path)
        defer { outbox.close() }
        for number in 1...3 { try capture(outbox, number, request: Self.bytes(1_500)) }
        let before = await waiting(outbox, 3)
        outbox.stored(before[0], at: "first")
        outbox.stored(before[1], at: "old")
        _ = try await OutboxFixture.drain(outbox, count: 2)
        outbox.acknowledge(OutboxFixture.gateway, through: 1)
        try await outbox.mintNewStream()
        outbox.stored(before[2], at: "late")  // began under the old name
        #expect(outbox.gatewaysWithRecords() == [])
        let after = outbox.waitingBodies(limit: 9)
        #expect(after.map(\.place) == before[1...].map(\.place))
        #expect(after.allSatisfy { $0.stream == outbox.stream })
        for (body, name) in zip(after, ["new", "newer"]) {
            #expect(try await outbox.file(of: body) != nil)
            outbox.stored(body, at: name)
        }
        let found = try await OutboxFixture.drain(outbox, count: 2)
        #expect(found.map(\.sequence) == [1, 2] && found.map(\.record.requestObject) == ["new", "newer"])
    }
}
