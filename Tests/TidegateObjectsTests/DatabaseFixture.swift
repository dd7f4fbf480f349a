import Foundation
import TidegateCore
import TidegateObjects
import TidegateTestKit

/// SplitMix64: the same seed gives the same run.
struct DatabaseSeed: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
    mutating func pick<Element>(_ options: [Element]) -> Element {
        options[Int.random(in: 0..<options.count, using: &self)]
    }
}

/// A folder of databases that goes away with the test.
final class DatabaseFixture: Sendable {
    static let slot = SlotID(region: "local", index: 3)
    static let gateway = GatewayUID(bits: 0xABCD_0000_0000_0000_0000_0000_0000_0001)
    static let stream = StreamID(bits: 0x77)
    static let baseMs: Int64 = 1_764_000_000_000

    let folder: String
    let store = MemoryObjectStore()
    init() { folder = NSTemporaryDirectory() + "tidegate-db-" + UUID().uuidString }
    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func databases(bootID: String = "boot-1", connectedMax: Int = 8, queryLimit: Duration = .seconds(30))
        -> GatewayDatabases
    {
        GatewayDatabases(
            folder: folder, bootID: bootID, store: store, segments: segments("all"), connectedMax: connectedMax,
            queryLimit: queryLimit)
    }

    func segments(_ name: String, cacheBytesMax: Int64 = 1 << 30, rowsMax: Int = 50_000) -> Segments {
        var settings = Segments.Settings()
        settings.cacheBytesMax = cacheBytesMax
        settings.limits.rowsMax = rowsMax
        return Segments(folder: folder + "/cache-" + name, bootID: "boot-1", store: store, settings: settings)
    }

    func open(_ name: String = "a") async throws -> GatewayLog {
        try await GatewayDatabases(
            folder: folder + "/" + name, bootID: "boot-1", store: store, segments: segments(name)
        ).log(Self.gateway, slot: Self.slot)
    }

    static func record(_ seed: inout DatabaseSeed, _ index: Int) -> LogRecord {
        let startedAtMs = baseMs + Int64(index) * 100 - Int64.random(in: 0..<3_000, using: &seed)
        var record = LogRecord(
            id: RecordID(milliseconds: startedAtMs, random: &seed), gateway: gateway, startedAtMs: startedAtMs)
        record.durationMs = UInt32.random(in: 0..<50, using: &seed)
        record.latencyMs = record.durationMs / 2
        record.provider = seed.pick(["openai", "anthropic", "workers-ai", ""])
        record.model = seed.pick(["gpt-4o", "GPT-4o_mini", "100%", "claude", "é\u{301}\u{0}x", ""])
        record.modelType = seed.pick(["", "chat", "embedding"])
        record.path = seed.pick(["chat/completions", "v1/messages?a=\\%_", "é"])
        record.eventID = seed.pick(["", "event-\(index % 5)"])
        record.userAgent = seed.pick(["", "curl/8"])
        record.requestContentType = seed.pick(["", "application/json"])
        record.responseContentType = seed.pick(["text/event-stream", "application/json"])
        record.statusCode = seed.pick([200, 200, 201, 304, 404, 500, 0])
        record.outcome = seed.pick([.completed, .completed, .completed, .clientLeft])
        record.step = UInt32.random(in: 0..<3, using: &seed)
        if Bool.random(using: &seed) {
            record.usage = TokenUsage(
                inputUncached: .random(in: 0..<10, using: &seed), inputCacheRead: .random(in: 0..<5, using: &seed),
                outputText: .random(in: 0..<10, using: &seed), outputReasoning: .random(in: 0..<4, using: &seed))
            record.cost = PicoUSD(rawValue: .random(in: 0..<5, using: &seed) * 1_000_000_000)
        }
        record.metadata = seed.pick([
            "", "{\"team\":\"a\",\"n\":5}", "{\"team\":\"5\",\"ok\":true,\"z\":null}", "[1]", "{broken",
        ])
        record.flags = seed.pick([[], .cached, [.authenticated, .cached], .compatibility])
        record.requestBody = Array(repeating: seed.pick([65, 66]), count: seed.pick([0, 10, 900]))[...]
        record.responseBody = (0..<seed.pick([0, 3, 600])).map { _ in UInt8.random(in: 0...255, using: &seed) }[...]
        return record
    }

    static func entry(_ record: LogRecord, n: LogIndex, index: Int, sequence: UInt64) -> CommittedEntry {
        CommittedEntry(
            lsn: LSN(n: n, index: index),
            entry: .record(
                stream: stream, sequence: sequence, id: record.id, receivedAtMs: baseMs + Int64(sequence) * 100,
                payload: record.encoded()[...]))
    }

    /// Entries of every kind, in log objects of random length.
    static func history(seed: UInt64, rows: Int) -> [[CommittedEntry]] {
        var seed = DatabaseSeed(state: seed)
        var objects: [[CommittedEntry]] = []
        var known: [(id: RecordID, lsn: LSN)] = []
        var sequence: UInt64 = 0
        while sequence < rows {
            let n = LogIndex(objects.count + 1)
            var object: [CommittedEntry] = []
            for index in 0..<Int.random(in: 1...30, using: &seed) {
                let lsn = LSN(n: n, index: index)
                switch Int.random(in: 0..<20, using: &seed) {
                case 0:
                    object.append(
                        CommittedEntry(
                            lsn: lsn,
                            entry: .edit(
                                id: known.isEmpty || Bool.random(using: &seed)
                                    ? RecordID(milliseconds: 5, random: &seed) : seed.pick(known).id,
                                patch: LogPatch(
                                    feedback: seed.pick([nil, .some(nil), .some(1)]), score: seed.pick([nil, 5]),
                                    metadata: seed.pick([nil, .some(nil), "{\"edited\":1}"])),
                                atMs: baseMs)))
                case 1 where !known.isEmpty:
                    object.append(CommittedEntry(lsn: lsn, entry: .delete(lsns: [seed.pick(known).lsn.rawValue])))
                case 2:
                    sequence += 1
                    object.append(
                        CommittedEntry(
                            lsn: lsn,
                            entry: .record(
                                stream: stream, sequence: sequence, id: RecordID(milliseconds: 1, random: &seed),
                                receivedAtMs: .random(in: .min ... .max, using: &seed),
                                payload: (0..<Int.random(in: 0..<60, using: &seed)).map { _ in
                                    .random(in: 0...255, using: &seed)
                                }[...])))
                default:
                    sequence += 1
                    let record = record(&seed, Int(sequence))
                    known.append((record.id, lsn))
                    object.append(entry(record, n: n, index: index, sequence: sequence))
                }
            }
            objects.append(object)
        }
        return objects
    }
}
