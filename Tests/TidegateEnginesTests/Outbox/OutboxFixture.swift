import Foundation
import Synchronization
import TidegateCore
import TidegateEngines
import TidegateTestKit

/// An outbox in a directory of its own, and what tests do with it.
struct OutboxFixture {
    static let gateway = GatewayUID(bits: 7)
    static let other = GatewayUID(bits: 8)

    static var small: OutboxSettings {
        var settings = OutboxSettings()
        settings.segmentBytes = 64 << 10
        settings.syncDelayMs = 0
        settings.cursorIntervalMs = 1
        settings.freeBytesMin = 0
        return settings
    }

    static func open(_ directory: String, _ settings: OutboxSettings = small) throws -> Outbox {
        try Outbox.open(directory: directory, settings: settings, clock: ManualWallClock(), logger: quiet)
    }

    static func record(_ number: Int, _ gateway: GatewayUID = gateway, body: Int = 40) -> LogRecord {
        var record = LogRecord(id: RecordID(bits: UInt128(number)), gateway: gateway, startedAtMs: Int64(number))
        record.statusCode = 200
        record.requestBody = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: body)[...]
        return record
    }

    /// Captures rows `numbers` as a gateway does, intent first.
    static func capture(
        _ outbox: Outbox, _ numbers: some Sequence<Int>, _ gateway: GatewayUID = gateway, body: Int = 40
    ) throws {
        for number in numbers {
            let record = record(number, gateway, body: body)
            guard case .admitted(let ticket) = outbox.admit(record.id, gateway: gateway, policy: .reject) else {
                throw TidegateError(.overloaded, "The outbox is full.")
            }
            try outbox.writeIntent(ticket, announcing: record)
            _ = try outbox.complete(ticket, record) { _ in }
        }
    }

    /// Waits until so many records may be delivered, and returns them in order, by sequence number.
    static func drain(
        _ outbox: Outbox, _ gateway: GatewayUID = gateway, count: Int, batch: Int = 50
    ) async throws -> [(sequence: UInt64, record: LogRecord)] {
        var found: [(sequence: UInt64, record: LogRecord)] = []
        var next: UInt64?
        while found.count < count {
            guard
                let taken = try await outbox.records(
                    of: gateway, from: next, recordsMax: batch, bytesMax: 100_000)
            else {
                await outbox.waitForRecords()
                continue
            }
            for (index, bytes) in taken.records.enumerated() {
                found.append((taken.firstSequence + UInt64(index), try LogRecord(encoded: bytes)))
            }
            next = taken.firstSequence + UInt64(taken.records.count)
        }
        return found
    }

    /// The stream's directory below `directory`, and its segment files, oldest first.
    static func files(_ directory: String) throws -> (stream: String, segments: [String]) {
        let streams = try FileManager.default.contentsOfDirectory(atPath: directory).filter {
            $0 != "lock" && $0 != "bodies"
        }
        let stream = directory + "/" + (streams.first ?? "")
        let names = try FileManager.default.contentsOfDirectory(atPath: stream).filter { $0.hasSuffix(".seg") }
        return (stream, names.sorted().map { stream + "/" + $0 })
    }
}
