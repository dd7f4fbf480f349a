internal import Foundation
internal import Glibc
package import Logging
internal import Synchronization
internal import TidegateCore
internal import TidegateEngines
internal import TidegateObjects

/// Measures the storage engine without the proxy before it: rows go straight to their object, as the drain hands them over.
package struct SlotBenchmark {
    package struct Figures: Codable, Sendable {
        package var engines: String
        package var rows: Int
        package var rowBytes: Int
        package var seconds: Double
        package var rowsPerSecond: Double
        /// Of this process: etcd and the object store have their own.
        package var cpuMicrosecondsPerRow: Double
        package var rawLoopCPUMicrosecondsPerRow: Double
        package var ratioToRawLoop: Double
        /// Of `cpuMicrosecondsPerRow`, what the threads took that change the object's database: what the raw loop does.
        package var applyMicrosecondsPerRow: Double
        package var applyRatioToRawLoop: Double
        /// Of all threads, by their names without number.
        package var threadMicrosecondsPerRow: [String: Double]
        package var takeoverTailRows: Int
        package var takeoverSeconds: Double
        package var databaseBytesPerRow: Double
    }

    package struct Memory: Codable, Sendable {
        package var gateways: Int
        package var active: Int
        package var rowsPerGateway: Int
        package var residentMegabytes: Double
    }

    private let settings: ServeSettings
    private let logger: Logger
    private let folder: String

    /// - Parameter settings: which engines, and a state directory that is new.
    package init(_ settings: ServeSettings, logger: Logger) {
        self.settings = settings
        self.logger = logger
        folder = settings.state
    }

    /// Inserts rows into one object as fast as it takes them, then takes its slot over with `tailRows` of log behind the
    /// newest snapshot.
    package func insertAndTakeOver(rows count: Int, tailRows: Int) async throws -> Figures {
        let state = try StateDirectory(creating: folder, allowsEphemeralOutbox: true)
        let engines = try await Engines.open(
            settings, state: state, probe: "measure", clock: SystemWallClock(), logger: logger)
        let world = World(settings, state, engines, logger)
        let (objects, uid) = try await world.start()
        let rows = SampleRows(gateway: uid, count: count + tailRows)
        let raw = try RawInsertLoop.run(
            Array(rows.encoded.prefix(50_000)), file: folder + "/raw.db", cpuSeconds: Self.cpuSeconds)
        let rawMicroseconds = raw / Double(min(count, 50_000)) * 1e6

        let (wall, cpu, before) = (ContinuousClock.now, Self.cpuSeconds(), ThreadTimes.now())
        await Feeder(objects, uid, rows.encoded, stream: 1).feed(0..<count)
        let seconds = wall.duration(to: .now) / .seconds(1)
        let cpuMicroseconds = (Self.cpuSeconds() - cpu) / Double(count) * 1e6
        let threads = ThreadTimes.now().since(before).mapValues { $0 / Double(count) * 1e6 }
        let apply = threads["tg-apply"] ?? 0
        await objects.drain(within: .seconds(60))  // a snapshot of all of it
        let bytes = Self.bytes(under: state.objects)

        // A tail that no snapshot covers: its owner dies.
        let (second, _) = try await world.start(snapshotObjects: 1_000_000)
        await Feeder(second, uid, rows.encoded, stream: 1).feed(count..<(count + tailRows))
        await second.stop()
        await world.forgetDatabases()
        let took = ContinuousClock.now
        let (third, _) = try await world.start()
        let live = try await third.liveRows(of: uid)
        let takeover = took.duration(to: .now) / .seconds(1)
        guard live == Int64(count + tailRows) else {
            throw TidegateError(.internalError, "\(count + tailRows) rows were committed, \(live) came back.")
        }
        await third.drain(within: .seconds(60))
        await engines.close()
        return Figures(
            engines: "\(engines.coordinationKind) + \(engines.storeKind)", rows: count, rowBytes: rows.bytesEach,
            seconds: seconds, rowsPerSecond: Double(count) / seconds, cpuMicrosecondsPerRow: cpuMicroseconds,
            rawLoopCPUMicrosecondsPerRow: rawMicroseconds, ratioToRawLoop: cpuMicroseconds / rawMicroseconds,
            applyMicrosecondsPerRow: apply, applyRatioToRawLoop: apply / rawMicroseconds,
            threadMicrosecondsPerRow: threads,
            takeoverTailRows: tailRows, takeoverSeconds: takeover, databaseBytesPerRow: Double(bytes) / Double(count))
    }

    /// Holds many gateways, of which a few are in use.
    package func holding(gateways: Int, active: Int, rowsEach: Int) async throws -> Memory {
        let state = try StateDirectory(creating: folder, allowsEphemeralOutbox: true)
        let engines = try await Engines.open(
            settings, state: state, probe: "measure", clock: SystemWallClock(), logger: logger)
        let world = World(settings, state, engines, logger)
        let (objects, _) = try await world.start()
        var uids: [GatewayUID] = []
        for index in 0..<gateways {
            let uid = try await world.gateway("g\(index)", objects)
            let rows = SampleRows(gateway: uid, count: rowsEach)
            await Feeder(objects, uid, rows.encoded, stream: 1).feed(0..<rowsEach)
            uids.append(uid)
        }
        for round in 0..<10 {
            for uid in uids.prefix(active) {
                let rows = SampleRows(gateway: uid, count: 20, seed: UInt64(round + 2))
                await Feeder(objects, uid, rows.encoded, stream: round + 2).feed(0..<20)
                _ = try await objects.logs(of: uid, LogQuery())
            }
        }
        let memory = Memory(
            gateways: gateways, active: active, rowsPerGateway: rowsEach, residentMegabytes: Self.residentMegabytes())
        await objects.drain(within: .seconds(120))
        await engines.close()
        return memory
    }

    static func cpuSeconds() -> Double {
        var usage = rusage()
        getrusage(RUSAGE_SELF.rawValue, &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }

    private static func residentMegabytes() -> Double {
        let fields = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ") ?? []
        return Double(fields.count > 1 ? Int(fields[1]) ?? 0 : 0) * Double(sysconf(Int32(_SC_PAGESIZE))) / 1e6
    }

    private static func bytes(under path: String) -> Int {
        let files = FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? []
        return files.filter { $0.hasSuffix(".db") }.reduce(0) { sum, name in
            let size = try? FileManager.default.attributesOfItem(atPath: "\(path)/\(name)")[.size] as? Int
            return sum + (size ?? 0)
        }
    }
}

/// The room under measurement, with the engines below it and nothing above it.
private final class World {
    private let settings: ServeSettings
    private let state: StateDirectory
    private let engines: Engines
    private let logger: Logger
    private let keys = CoordinationKeys()
    private var databases: GatewayDatabases?

    init(_ settings: ServeSettings, _ state: StateDirectory, _ engines: Engines, _ logger: Logger) {
        (self.settings, self.state, self.engines, self.logger) = (settings, state, engines, logger)
    }

    func start(snapshotObjects: Int = 256) async throws -> (Objects, GatewayUID) {
        var objectsSettings = engines.objectsSettings
        objectsSettings.slot.snapshotObjects = snapshotObjects
        if snapshotObjects > 256 { objectsSettings.slot.snapshotBytes = .max }
        var random = SystemRandomNumberGenerator()
        let segments = Segments(
            folder: state.path + "/cache", bootID: StateDirectory.bootID(), store: engines.store)
        let databases = GatewayDatabases(
            folder: state.objects, bootID: StateDirectory.bootID(), store: engines.store, segments: segments)
        self.databases = databases
        let objects = Objects(
            homes: OneRegion(settings.region, slotCount: Assembly.slotCount),
            incarnation: IncarnationID(random: &random),
            coordination: engines.coordination, store: engines.store, keys: keys, storage: databases,
            clock: SystemWallClock(), settings: objectsSettings, logger: logger,
            mintName: {
                var random = SystemRandomNumberGenerator()
                return String(random.next(), radix: 36)
            }, entryGuard: GuardProcess())
        try await objects.start(
            (0..<Assembly.slotCount).map { SlotID(region: settings.region, index: $0) })
        return (objects, try await gateway("measured", objects))
    }

    func gateway(_ name: String, _ objects: Objects) async throws -> GatewayUID {
        let accounts = AccountManager(
            store: engines.coordination, keys: keys, logs: objects, region: settings.region, clock: SystemWallClock(),
            mintUID: {
                var random = SystemRandomNumberGenerator()
                return GatewayUID(random: &random)
            })
        if try await accounts.account("measure") == nil {
            var overrides = EntitlementOverrides()
            overrides.gateways = .some(nil)
            _ = try await accounts.createAccount(id: "measure", name: "", plan: .unlimited, overrides: overrides)
        }
        if let known = try await accounts.gateway(name, of: "measure") { return known.uid }
        return try await accounts.createGateway(name, of: "measure", settings: GatewaySettings()).uid
    }

    /// As if the next owner were another machine.
    func forgetDatabases() async {
        await databases?.closeAll()
        databases = nil
        try? FileManager.default.removeItem(atPath: state.objects)
    }
}

/// Rows of 2 KB, most of it bodies of repeating words, as calls have them.
private struct SampleRows {
    let encoded: [[UInt8]]
    var bytesEach: Int { encoded.first?.count ?? 0 }

    init(gateway: GatewayUID, count: Int, seed: UInt64 = 1) {
        var dice = seed
        func next() -> UInt64 {
            dice = dice &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return dice >> 20
        }
        let words = ["the ", "model ", "answers ", "\"role\":", "tokens ", "gateway ", "user ", "content ", "and "]
        let now = Int64(Date().timeIntervalSince1970 * 1_000)
        encoded = (0..<count).map { index in
            let startedAtMs = now - Int64(count - index)
            var record = LogRecord(
                id: RecordID(bits: UInt128(startedAtMs) << 80 | UInt128(next()) << 40 | UInt128(index)),
                gateway: gateway,
                startedAtMs: startedAtMs)
            record.durationMs = UInt32(next() % 2_000)
            record.provider = "openai"
            record.model = ["gpt-4o-mini", "gpt-4o", "o3"][Int(next() % 3)]
            record.path = "chat/completions"
            record.method = "POST"
            record.statusCode = next() % 50 == 0 ? 500 : 200
            record.requestContentType = "application/json"
            record.responseContentType = "application/json"
            record.userAgent = "OpenAI/Python 2.54.0"
            record.usage = TokenUsage(
                inputUncached: Int64(next() % 500), inputCacheRead: 0, inputCacheWrite: 0,
                outputText: Int64(next() % 900),
                outputReasoning: 0)
            let text = (0..<400).map { _ in words[Int(next() % UInt64(words.count))] }.joined().utf8
            record.requestBody = Array(text.prefix(1_000))[...]
            record.responseBody = Array(text.dropFirst(1_000).prefix(700))[...]
            return record.encoded()
        }
    }
}

/// Hands rows over as a drain does: batches in order, a bounded number on their way, and again what is told to come later.
private struct Feeder {
    private static let batchRows = 200
    private static let batchesInFlight = 64

    private let objects: Objects
    private let gateway: GatewayUID
    private let rows: [[UInt8]]
    private let stream: StreamID

    init(_ objects: Objects, _ gateway: GatewayUID, _ rows: [[UInt8]], stream: Int) {
        (self.objects, self.gateway, self.rows) = (objects, gateway, rows)
        self.stream = StreamID(bits: UInt128(stream))
    }

    func feed(_ range: Range<Int>) async {
        var next = range.lowerBound
        var flying: [(Range<Int>, Task<[RecordVerdict], Never>)] = []
        while next < range.upperBound || !flying.isEmpty {
            while next < range.upperBound, flying.count < Self.batchesInFlight {
                let part = next..<min(next + Self.batchRows, range.upperBound)
                flying.append((part, send(part)))
                next = part.upperBound
            }
            let (part, task) = flying.removeFirst()
            let verdicts = await task.value
            guard let refused = verdicts.firstIndex(where: { $0 != .committed && $0 != .duplicate }) else { continue }
            for (_, task) in flying { _ = await task.value }
            flying = []
            next = part.lowerBound + refused
            try? await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Handed over at once, in the order of the calls.
    private func send(_ part: Range<Int>) -> Task<[RecordVerdict], Never> {
        let answer = Answer()
        objects.submit(
            DeliveryBatch(
                stream: stream, gateway: gateway, firstSequence: UInt64(part.lowerBound + 1),
                records: part.map { rows[$0][...] }, resolvedBelow: 0)
        ) { answer.set($0) }
        return Task { await answer.value }
    }
}

private final class Answer: Sendable {
    private enum State {
        case empty
        case awaited(CheckedContinuation<[RecordVerdict], Never>)
        case set([RecordVerdict])
    }
    private let state = Mutex(State.empty)

    func set(_ verdicts: [RecordVerdict]) {
        let waiter: CheckedContinuation<[RecordVerdict], Never>? = state.withLock { state in
            if case .awaited(let waiter) = state { return waiter }
            state = .set(verdicts)
            return nil
        }
        waiter?.resume(returning: verdicts)
    }

    var value: [RecordVerdict] {
        get async {
            await withCheckedContinuation { continuation in
                let found: [RecordVerdict]? = state.withLock { state in
                    if case .set(let verdicts) = state { return verdicts }
                    state = .awaited(continuation)
                    return nil
                }
                if let found { continuation.resume(returning: found) }
            }
        }
    }
}
