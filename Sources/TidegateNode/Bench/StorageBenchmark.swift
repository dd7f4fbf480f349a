internal import Foundation
internal import Logging
internal import TidegateCore
internal import TidegateEngines
internal import TidegateObjects

/// Builds a gateway's object with millions of rows through the engine's own code (entries applied, segments made and
/// stored), and measures questions to it. In its own folder; prints one line a figure.
package struct StorageBenchmark {
    private static let gateway = GatewayUID(bits: 0xBE9C)
    private static let slot = SlotID(region: "bench", index: 0)
    private static let spanMs: Int64 = 30 * 86_400_000
    private static let baseMs: Int64 = 1_764_000_000_000
    private static let models = [
        "gpt-4o-mini", "gpt-4o-mini", "gpt-4o-mini", "gpt-4o", "gpt-4o", "claude-sonnet-4-5", "claude-haiku-4-5",
        "gemini-2.5-flash", "@cf/meta/llama-3.1-8b-instruct",
    ]

    private let folder: String
    private let rows: Int
    private let bodyBytes: Int
    private let isFullText: Bool
    private let store: DirectoryObjectStore
    private let databases: GatewayDatabases
    private var random = BenchmarkRandom(state: 42)
    private var n: LogIndex = 0

    /// - Parameters:
    ///   - folder: made, and left behind: whoever calls removes it.
    ///   - bodyBytes: of both bodies together; 0 keeps none.
    ///   - isFullText: segments get an index of their bodies' words.
    package init(folder: String, rows: Int, bodyBytes: Int, isFullText: Bool) throws {
        (self.folder, self.rows, self.bodyBytes) = (folder, max(rows, 100_000), bodyBytes)
        self.isFullText = isFullText
        store = try DirectoryObjectStore(root: folder + "/store", logger: Logger(label: "bench"))
        databases = Self.databases(folder, "first", store)
    }

    private static func databases(_ folder: String, _ node: String, _ store: DirectoryObjectStore) -> GatewayDatabases {
        let segments = Segments(folder: "\(folder)/\(node)/cache", bootID: "bench", store: store)
        return GatewayDatabases(
            folder: "\(folder)/\(node)/objects", bootID: "bench", store: store, segments: segments,
            queryLimit: .seconds(60))
    }

    package mutating func run() async throws {
        let log = try await databases.log(Self.gateway, slot: Self.slot)
        try await fill(log)
        try await sizes(log)
        try await ask(log)
        try await sum(log)
        try await askElsewhere(log)
        await databases.closeAll()
        store.close()
    }

    // MARK: - Filling

    private mutating func fill(_ log: GatewayLog) async throws {
        let start = ContinuousClock.now
        var (made, hot, serial, sealing) = (0, 0, 0, Duration.zero)
        var (slowest, tidying) = (Duration.zero, Duration.zero)
        while made < rows {
            n += 1
            var entries: [CommittedEntry] = []
            for index in 0..<1_000 { entries.append(entry(made + index, index)) }
            _ = try await log.apply(n: n, epoch: 1, entries)
            made += entries.count
            hot += entries.count
            guard hot >= 75_000 else { continue }
            let began = ContinuousClock.now
            serial += 1
            let key = CoordinationKeys().segment(Self.gateway, epoch: 1, rand: "\(serial)")
            guard let proposal = try await log.propose(SegmentRequest(.seal, key: key, indexesBodies: isFullText))
            else { continue }
            n += 1
            let applying = ContinuousClock.now
            _ = try await log.apply(
                n: n, epoch: 1, [CommittedEntry(lsn: LSN(n: n, index: 0), entry: proposal.entry)])
            slowest = max(slowest, .now - applying)
            sealing += .now - began
            var isTidy = false
            while !isTidy {
                let step = ContinuousClock.now
                isTidy = !(try await log.tidy())
                tidying = max(tidying, .now - step)
            }
            hot = Int(try await log.sealingState().state.hotRows)
        }
        let took = ContinuousClock.now - start
        print("filled \(made) rows in \(seconds(took)) s; \(serial) seals of \(ms(sealing / max(serial, 1))) ms each")
        print("applying a seal: at most \(ms(slowest)) ms, a step of tidying up behind it at most \(ms(tidying)) ms")
    }

    private mutating func entry(_ number: Int, _ index: Int) -> CommittedEntry {
        let startedAtMs = Self.baseMs + Int64(number) * Self.spanMs / Int64(rows) - Int64(random.next() % 3_000)
        var record = LogRecord(
            id: RecordID(milliseconds: startedAtMs, random: &random), gateway: Self.gateway, startedAtMs: startedAtMs)
        record.model = Self.models[Int(random.next() % UInt64(Self.models.count))]
        if random.next() % 10_000 == 0 { record.model = "one-in-ten-thousand" }
        record.provider = record.model.hasPrefix("gpt") ? "openai" : record.model.hasPrefix("c") ? "anthropic" : "other"
        record.modelType = "chat"
        record.path = "v1/chat/completions"
        record.method = "POST"
        record.requestType = "http"
        record.requestContentType = "application/json"
        record.responseContentType = "application/json"
        record.userAgent = "OpenAI/Python 1.99.2"
        let luck = random.next() % 1_000
        record.statusCode = luck < 970 ? 200 : luck < 990 ? 429 : 500
        record.durationMs = UInt32(200 + random.next() % 3_000)
        record.latencyMs = record.durationMs / 3
        record.usage = TokenUsage(
            inputUncached: Int64(random.next() % 2_000), outputText: Int64(random.next() % 500))
        record.usageSource = .provider
        record.cost = PicoUSD(rawValue: Int64(random.next() % 5_000_000_000))
        record.priceVersion = "2026-10-01"
        record.metadata = "{\"user\":\"u\(random.next() % 5_000)\",\"team\":\"t\(random.next() % 20)\"}"
        record.requestBytes = 1_000
        record.responseBytes = 600
        if bodyBytes > 0 {
            let text = prose(bodyBytes)
            record.requestBody = text.prefix(bodyBytes * 5 / 8)
            record.responseBody = text.dropFirst(bodyBytes * 5 / 8)
        }
        return CommittedEntry(
            lsn: LSN(n: n, index: index),
            entry: .record(
                stream: StreamID(bits: 1), sequence: UInt64(number + 1), id: record.id,
                receivedAtMs: startedAtMs + Int64(record.durationMs), payload: record.encoded()[...]))
    }

    private static let words = (0..<2_000).map { "w\(String($0 * 7_919 % 100_003, radix: 36)) " }

    private mutating func prose(_ count: Int) -> [UInt8] {
        var text: [UInt8] = Array("{\"model\":\"gpt-4o-mini\",\"messages\":[{\"role\":\"user\",\"content\":\"".utf8)
        if random.next() % 10_000 == 0 { text += "needle ".utf8 }
        while text.count < count { text += Self.words[Int(random.next() % UInt64(Self.words.count))].utf8 }
        return Array(text.prefix(count))
    }

    // MARK: - Measuring

    private func sizes(_ log: GatewayLog) async throws {
        let segments = try await log.sealingState().state.segments
        let sealed = max(1, segments.reduce(0) { $0 + $1.rows })
        let root = "\(folder)/store/\(CoordinationKeys().segments(of: Self.gateway))"
        var bytes = 0
        for name in try FileManager.default.contentsOfDirectory(atPath: root) {
            bytes += try FileManager.default.attributesOfItem(atPath: root + name)[.size] as? Int ?? 0
        }
        print("stored: \(bytes / Int(sealed)) B a sealed row (\(segments.count) segments)")
        print("unpacked in the cache, packs included: \(segments.reduce(0) { $0 + $1.bytes } / sealed) B a sealed row")
    }

    private mutating func ask(_ log: GatewayLog) async throws {
        try await measure("newest 50, filter on a model", log, 200) { _ in Self.query(.model, "gpt-4o") }
        try await measure("newest 50, filter on a status", log, 200) { _ in Self.query(.statusCode, "429") }
        try await measure("newest 50, no filter", log, 200) { _ in Self.query() }
        try await measure("rare filter (0.01 %), first time", log, 1) { _ in
            Self.query(.model, "one-in-ten-thousand")
        }
        try await measure("rare filter (0.01 %), warm", log, 50) { _ in Self.query(.model, "one-in-ten-thousand") }
        if isFullText {
            for (name, count) in [("first time", 1), ("warm", 20)] {
                try await measure("a word that 0.01 % of the bodies have, \(name)", log, count) { _ in
                    Self.search("needle")
                }
            }
            try await measure("two words of many bodies", log, 20) { random in
                Self.search(Self.words[Int(random.next() % 2_000)] + Self.words[Int(random.next() % 2_000)])
            }
        }
        let (span, base) = (Self.spanMs, Self.baseMs)
        try await measure("50 before a random time, filter on a model, warm", log, 200) { random in
            Self.query(.model, "gpt-4o", before: base + Int64(random.next() % UInt64(span)))
        }
    }

    private func sum(_ log: GatewayLog) async throws {
        for groups in [[], [AnalyticsQuery.Group.provider, .model]] {
            var query = AnalyticsQuery(fromMs: Self.baseMs, toMs: Self.baseMs + Self.spanMs)
            (query.step, query.groups) = (.none, groups)
            var times: [Duration] = []
            var requests: Int64 = 0
            for _ in 0..<50 {
                let start = ContinuousClock.now
                requests = try await log.analytics(query).rows.reduce(0) { $0 + $1.requests }
                times.append(.now - start)
            }
            times.sort()
            print(
                "totals of 30 days by \(groups.count) groups: p50 \(ms(times[25])) ms, p99 \(ms(times[49])) ms, \(requests) requests"
            )
        }
    }

    /// A node that never saw the gateway: the database from its copy, segments from the store.
    private mutating func askElsewhere(_ log: GatewayLog) async throws {
        let item = try await log.pin(asCopy: false).store(at: "bench/copy")
        let other = Self.databases(folder, "other", store)
        let start = ContinuousClock.now
        let opened = try await other.log(Self.gateway, slot: Self.slot, from: item)
        _ = try await opened.logs(Self.query())
        print("open from its copy (\(item.size >> 20) MiB) and first page: \(ms(.now - start)) ms")
        let (span, base) = (Self.spanMs, Self.baseMs)
        var turn = UInt64(0)
        try await measure("50 before a random time, filter on a model, segment from the store", opened, 20) { _ in
            turn += 1
            return Self.query(.model, "gpt-4o", before: base + Int64(turn * 37 % 21 * UInt64(span) / 22))
        }
        await other.closeAll()
    }

    private static func search(_ words: String) -> LogQuery {
        var query = query()
        query.bodySearch = words
        return query
    }

    private static func query(_ key: LogFilter.Key? = nil, _ value: String = "", before: Int64? = nil) -> LogQuery {
        var query = LogQuery()
        query.perPage = 50
        if let key { query.filters.append(LogFilter(key: key, operator: .eq, values: [.string(value)])) }
        if let before {
            query.filters.append(LogFilter(key: .createdAt, operator: .lt, values: [.number(Double(before))]))
        }
        return query
    }

    private mutating func measure(
        _ name: String, _ log: GatewayLog, _ count: Int, _ query: (inout BenchmarkRandom) -> LogQuery
    ) async throws {
        var times: [Duration] = []
        var (short, guessed) = (0, 0)
        for _ in 0..<count {
            let query = query(&random)
            let start = ContinuousClock.now
            let page = try await log.logs(query)
            times.append(.now - start)
            if page.rows.count < query.perPage { short += 1 }
            if !page.isCountExact { guessed += 1 }
        }
        times.sort()
        let (middle, last) = (times[count / 2], times[min(count - 1, count * 99 / 100)])
        print("\(name): p50 \(ms(middle)) ms, p99 \(ms(last)) ms, short pages \(short), inexact counts \(guessed)")
    }

    private func ms(_ time: Duration) -> String { String(format: "%.1f", time / .milliseconds(1)) }
    private func seconds(_ time: Duration) -> String { String(format: "%.0f", time / .seconds(1)) }
}

/// SplitMix64: the same rows in every run.
struct BenchmarkRandom: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
