import Foundation
import Synchronization
import Testing
import TidegateCore
import TidegateEngines
import TidegateTestKit

@Suite("The outbox", .timeLimit(.minutes(1)))
struct OutboxTests {
    private let directory: TemporaryDirectory
    init() throws { directory = try TemporaryDirectory() }

    @Test("records come out in order, without gaps, from memory and from files", arguments: [0, 64 << 20])
    func order(memoryBytesMax: Int) async throws {
        var settings = OutboxFixture.small
        settings.memoryBytesMax = memoryBytesMax
        let outbox = try OutboxFixture.open(directory.path, settings)
        defer { outbox.close() }
        for number in 1...600 {
            try OutboxFixture.capture(outbox, number...number, body: number)
            if number % 3 == 0 { try OutboxFixture.capture(outbox, number...number, OutboxFixture.other, body: 50_000) }
        }
        let found = try await OutboxFixture.drain(outbox, count: 600)
        #expect(found.map(\.sequence) == (1...600).map { UInt64($0) })
        #expect(found.map(\.record) == (1...600).map { OutboxFixture.record($0, body: $0) })
        let large = try await OutboxFixture.drain(outbox, OutboxFixture.other, count: 200)
        #expect(large.map(\.record.id.bits) == (1...200).map { UInt128($0 * 3) })
        #expect(outbox.gatewaysWithRecords() == [OutboxFixture.gateway, OutboxFixture.other])
    }

    @Test("acknowledged files vanish, and the numbers go on after a restart", arguments: ["kept", "stale", "missing"])
    func numbersAreNeverUsedAgain(cursor: String) async throws {
        let outbox = try OutboxFixture.open(directory.path)
        try OutboxFixture.capture(outbox, 1...10)
        _ = try await OutboxFixture.drain(outbox, count: 10)
        outbox.acknowledge(OutboxFixture.gateway, through: 4)
        let path = try OutboxFixture.files(directory.path).stream + "/cursor"
        while !FileManager.default.fileExists(atPath: path) { await Task.yield() }
        let stale = FileManager.default.contents(atPath: path)
        try OutboxFixture.capture(outbox, 11...300, body: 1_000)
        _ = try await OutboxFixture.drain(outbox, count: 296)
        outbox.acknowledge(OutboxFixture.gateway, through: 300)
        while try OutboxFixture.files(directory.path).segments.count > 1 { await Task.yield() }
        let stream = outbox.stream
        outbox.close()
        #expect(outbox.statistics.pending == 0 && outbox.statistics.acknowledged == 300)
        if cursor == "stale" { try stale?.write(to: URL(fileURLWithPath: path)) }
        if cursor == "missing" { try FileManager.default.removeItem(atPath: path) }

        let again = try OutboxFixture.open(directory.path)
        defer { again.close() }
        try OutboxFixture.capture(again, 301...301)
        #expect(again.stream == stream)
        // Without its newest cursor it delivers again what the last file still holds.
        let first = try #require(try await OutboxFixture.drain(again, count: 1).first)
        let last = try await OutboxFixture.drain(again, count: 302 - Int(first.sequence)).last
        #expect(last?.sequence == 301 && last?.record == OutboxFixture.record(301))
    }

    @Test("a call that the last process left open becomes an aborted row, once")
    func abortedRows() async throws {
        let outbox = try OutboxFixture.open(directory.path)
        try OutboxFixture.capture(outbox, 1...3)
        guard
            case .admitted(let ticket) = outbox.admit(
                RecordID(bits: 9), gateway: OutboxFixture.gateway, policy: .reject),
            case .admitted(let dropped) = outbox.admit(
                RecordID(bits: 10), gateway: OutboxFixture.gateway, policy: .reject)
        else { return #expect(Bool(false), "not admitted") }
        var announced = LogRecord(id: ticket.id, gateway: ticket.gateway, startedAtMs: 77)
        (announced.provider, announced.eventID, announced.statusCode) = ("openai", "order-7", 200)
        try outbox.writeIntent(ticket, announcing: announced)
        try outbox.writeIntent(
            dropped, announcing: LogRecord(id: dropped.id, gateway: dropped.gateway, startedAtMs: 78))
        outbox.abandon(dropped)
        outbox.close()
        for _ in 0..<2 {
            let again = try OutboxFixture.open(directory.path)
            defer { again.close() }
            let found = try await OutboxFixture.drain(again, count: 4)
            var expected = announced
            expected.outcome = .aborted
            #expect(found.last?.record == expected && found.last?.sequence == 4)
            #expect(again.statistics.pending == 4)
        }
    }

    @Test("a full outbox does what the gateway chose, and takes rows again when drained")
    func fullPolicy() async throws {
        var settings = OutboxFixture.small
        settings.recordsMax = 3
        let outbox = try OutboxFixture.open(directory.path, settings)
        defer { outbox.close() }
        try OutboxFixture.capture(outbox, 1...3)
        func admit(_ policy: FullOutboxPolicy) -> CaptureAdmission {
            outbox.admit(RecordID(bits: 4), gateway: OutboxFixture.gateway, policy: policy)
        }
        guard case .reject = admit(.reject), case .proxyWithoutLog = admit(.proxyWithoutLog) else {
            return #expect(Bool(false), "It took a row too many.")
        }
        _ = try await OutboxFixture.drain(outbox, count: 3)
        outbox.acknowledge(OutboxFixture.gateway, through: 1)
        guard case .admitted(let ticket) = admit(.reject), case .reject = admit(.reject) else {
            return #expect(Bool(false), "It has room for exactly one.")
        }
        outbox.abandon(ticket)
        guard case .admitted = admit(.reject) else { return #expect(Bool(false), "The room was not given back.") }
    }

    @Test("in mode power a completion is durable after its sync")
    func power() async throws {
        var settings = OutboxFixture.small
        settings.mode = .power
        let outbox = try OutboxFixture.open(directory.path, settings)
        defer { outbox.close() }
        guard
            case .admitted(let ticket) = outbox.admit(
                RecordID(bits: 1), gateway: OutboxFixture.gateway, policy: .reject)
        else { return #expect(Bool(false), "not admitted") }
        let failure: TidegateError? = await withCheckedContinuation { continuation in
            do throws(TidegateError) {
                let result = try outbox.complete(ticket, OutboxFixture.record(1)) { continuation.resume(returning: $0) }
                #expect(result == .pending)
            } catch { continuation.resume(returning: error) }
        }
        #expect(failure == nil)
        #expect(outbox.gatewaysWithRecords() == [OutboxFixture.gateway])
    }

    @Test("a new stream numbers from 1 what is not acknowledged, also after a restart")
    func newStream() async throws {
        let outbox = try OutboxFixture.open(directory.path)
        try OutboxFixture.capture(outbox, 1...5)
        _ = try await OutboxFixture.drain(outbox, count: 5)
        outbox.acknowledge(OutboxFixture.gateway, through: 2)
        let before = outbox.stream
        try await outbox.mintNewStream()
        let stream = outbox.stream
        #expect(stream != before)
        try OutboxFixture.capture(outbox, 6...6)
        let found = try await OutboxFixture.drain(outbox, count: 4)
        #expect(found.map(\.sequence) == [1, 2, 3, 4] && found.map(\.record.id.bits) == [3, 4, 5, 6])
        outbox.acknowledge(OutboxFixture.gateway, through: 1)
        outbox.close()
        let again = try OutboxFixture.open(directory.path)
        defer { again.close() }
        let rest = try await OutboxFixture.drain(again, count: 3)
        #expect(again.stream == stream)
        #expect(rest.map(\.sequence) == [2, 3, 4] && rest.map(\.record.id.bits) == [4, 5, 6])
    }

    @Test("completions of many threads have one number each")
    func concurrent() async throws {
        let outbox = try OutboxFixture.open(directory.path)
        defer { outbox.close() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for lane in 0..<4 {
                group.addTask {
                    try OutboxFixture.capture(outbox, (lane * 1_000)..<(lane * 1_000 + 250))
                }
            }
            try await group.waitForAll()
        }
        let found = try await OutboxFixture.drain(outbox, count: 1_000)
        #expect(found.map(\.sequence) == (1...1_000).map { UInt64($0) })
        #expect(Set(found.map(\.record.id)).count == 1_000)
    }

    @Test("a full disk closes admission, loses nothing, and heals")
    func diskFull() async throws {
        let fault = Fault()
        var settings = OutboxFixture.small
        settings.writeFault = { fault.code.withLock { $0 } }
        let outbox = try OutboxFixture.open(directory.path, settings)
        defer { outbox.close() }
        try OutboxFixture.capture(outbox, 1...2)
        guard
            case .admitted(let ticket) = outbox.admit(
                RecordID(bits: 3), gateway: OutboxFixture.gateway, policy: .reject)
        else { return #expect(Bool(false), "not admitted") }
        try outbox.writeIntent(
            ticket, announcing: LogRecord(id: ticket.id, gateway: ticket.gateway, startedAtMs: 3))
        fault.code.withLock { $0 = ENOSPC }
        #expect(throws: TidegateError.self) { try outbox.complete(ticket, OutboxFixture.record(3)) { _ in } }
        guard case .reject = outbox.admit(RecordID(bits: 4), gateway: OutboxFixture.gateway, policy: .reject) else {
            return #expect(Bool(false), "It takes rows on a full disk.")
        }
        fault.code.withLock { $0 = 0 }
        let found = try await OutboxFixture.drain(outbox, count: 3)
        #expect(found.map(\.record.outcome) == [.completed, .completed, .aborted])
        try OutboxFixture.capture(outbox, 5...5)
    }

    @Test("every smaller intent is resolved below the number that batches carry")
    func resolvedBelow() async throws {
        let outbox = try OutboxFixture.open(directory.path)
        defer { outbox.close() }
        guard
            case .admitted(let open) = outbox.admit(RecordID(bits: 1), gateway: OutboxFixture.gateway, policy: .reject)
        else { return #expect(Bool(false), "not admitted") }
        try OutboxFixture.capture(outbox, 2...4)
        _ = try await OutboxFixture.drain(outbox, count: 3)
        func bound() async throws -> UInt64? {
            try await outbox.records(of: OutboxFixture.gateway, from: nil, recordsMax: 1, bytesMax: 1)?.resolvedBelow
        }
        #expect(try await bound() == open.intent)
        outbox.abandon(open)
        #expect(try await bound() == open.intent + 1)
    }

    @Test("a second process is refused")
    func exclusive() throws {
        let outbox = try OutboxFixture.open(directory.path)
        defer { outbox.close() }
        #expect(throws: TidegateError.self) { try OutboxFixture.open(directory.path) }
    }

    private final class Fault: Sendable {
        let code = Mutex<Int32>(0)
    }
}
