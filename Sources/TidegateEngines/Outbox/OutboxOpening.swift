internal import Glibc
internal import Logging
internal import Metrics
internal import TidegateCore

/// Reads what an outbox directory holds.
struct OutboxOpening {
    struct Opened {
        var directory: String
        var bodies: OutboxBodyFiles
        var core: OutboxCore
        var writer: SegmentWriter
        var open: [OutboxRecovery.OpenIntent]
    }

    private let directory: String
    private let logger: Logger
    private let metrics: OutboxMetrics
    private var recovery = OutboxRecovery()

    static func run(
        directory: String, settings: OutboxSettings, logger: Logger, metrics: OutboxMetrics
    ) throws(TidegateError) -> Opened {
        let streams: [String]
        do throws(SystemFailure) {
            streams = try Directories.names(in: directory).filter { $0.isDirectory && StreamID(hex: $0.name) != nil }
                .map(\.name)
        } catch { throw error.error }
        guard streams.count <= 1 else {
            throw TidegateError(
                .invalidConfiguration,
                "'\(directory)' holds \(streams.count) outboxes: leave one there, give the others their own directory.")
        }
        var random = SystemRandomNumberGenerator()
        let fresh = StreamID(random: &random)
        let name = streams.first ?? fresh.description
        let path = "\(directory)/\(name)"
        let bodies = OutboxBodyFiles(directory: "\(directory)/bodies", stream: name)
        var opening = OutboxOpening(directory: path, logger: logger, metrics: metrics)
        do throws(SystemFailure) { return try opening.open(settings, fresh, bodies) } catch { throw error.error }
    }

    private init(directory: String, logger: Logger, metrics: OutboxMetrics) {
        self.directory = directory
        self.logger = logger
        self.metrics = metrics
    }

    private mutating func open(
        _ settings: OutboxSettings, _ fresh: StreamID, _ bodies: OutboxBodyFiles
    ) throws(SystemFailure) -> Opened {
        try Directories.create(directory)
        if let counters = try cursor() { recovery.cursor(counters) }
        let numbers = try Directories.names(in: directory).compactMap { Self.number($0.name) }.sorted()
        var isNewestTrusted = true
        for number in numbers { isNewestTrusted = try read(number, among: numbers) }
        let limits = OutboxCore.Limits(
            bytesMax: settings.bytesMax, recordsMax: settings.recordsMax, memoryBytesMax: settings.memoryBytesMax)
        var (core, open, lost) = recovery.finish(limits: limits, stream: fresh)
        if !isNewestTrusted { core.mint(fresh) }
        if lost > 0 {
            logger.error("Damaged outbox files have lost records", metadata: ["records": "\(lost)"])
            metrics.lost.increment(by: Int(lost))
        }
        logger.info(
            "Opened the outbox",
            metadata: [
                "stream": "\(core.stream)", "segments": "\(numbers.count)",
                "pending": "\(core.statistics.pending)", "aborted": "\(open.count)",
            ])
        var writer = SegmentWriter(directory: directory, newest: numbers.last ?? 0, settings: settings)
        let bytes = try writer.startFile(core.counters)
        core.opened(writer.number, bytes: bytes)
        let removed = try bodies.open(keeping: core.bodyFiles)
        if removed > 0 { logger.info("Removed bodies without a row", metadata: ["files": "\(removed)"]) }
        return Opened(directory: directory, bodies: bodies, core: core, writer: writer, open: open.reversed())
    }

    /// - Returns: whether the numbers that this file leaves behind can be trusted, should it be the newest.
    private mutating func read(_ number: UInt64, among numbers: [UInt64]) throws(SystemFailure) -> Bool {
        let isNewest = number == numbers.last
        let path = SegmentWriter.path(directory, number)
        var recovery = recovery
        var hasBegun = false
        var hasHead = false
        let result = try SegmentScan.run(path: path) { frame, offset, body in
            if offset == 0, frame.kind == .segment, let counters = try? OutboxCounters(encoded: body) {
                recovery.begin(number, bytes: 0, counters: counters)
                (hasBegun, hasHead) = (true, true)
            } else {
                if !hasBegun { recovery.begin(number, bytes: 0, counters: nil) }
                hasBegun = true
                recovery.add(frame, body: body, segment: number, offset: offset)
            }
        }
        if !hasBegun, isNewest {  // the last process ended while it made this file
            logger.notice("Removed an outbox file without content", metadata: ["file": "\(path)"])
            try Directories.move(path, to: path + ".empty")
            return numbers.count > 1  // the one before it is deleted only once this one is sound
        }
        if !hasBegun { recovery.begin(number, bytes: 0, counters: nil) }
        let isTorn = result.damagedPlaces == 0 && result.soundBytes < result.fileBytes
        if numbers.suffix(2).contains(number) { try sync(path, cutTo: isTorn && isNewest ? result.soundBytes : nil) }
        if isTorn, isNewest {
            logger.notice(
                "Cut a torn end off an outbox file",
                metadata: ["file": "\(path)", "bytes": "\(result.fileBytes - result.soundBytes)"])
        } else if isTorn || result.damagedPlaces > 0 || !hasHead {
            try setAside(path, result)
        }
        recovery.size(number, bytes: isTorn && isNewest ? result.soundBytes : result.fileBytes)
        self.recovery = recovery
        return hasHead || !isNewest
    }

    /// What the last process wrote and did not sync is delivered soon: it must survive a power cut first.
    private func sync(_ path: String, cutTo bytes: Int?) throws(SystemFailure) {
        let file = try FileDescriptor(opening: path, O_WRONLY)
        if let bytes { try file.truncate(to: bytes, path: path) }
        try file.sync(path: path)
    }

    /// Keeps a second name of a damaged file for people to look at; what is whole in it is used.
    private func setAside(_ path: String, _ result: SegmentScan.Result) throws(SystemFailure) {
        guard link(path, path + ".corrupt") == 0 || errno == EEXIST else { throw SystemFailure("link", path) }
        metrics.corrupt.increment()
        logger.error(
            "An outbox file is damaged; its whole frames are used and it is kept aside",
            metadata: ["file": "\(path).corrupt", "places": "\(max(result.damagedPlaces, 1))"])
    }

    private func cursor() throws(SystemFailure) -> OutboxCounters? {
        guard let bytes = try Directories.contents(of: directory + "/cursor") else { return nil }
        guard let frame = bytes.withUnsafeBytes({ OutboxFrame.read($0) }), frame.kind == .cursor,
            let counters = try? OutboxCounters(encoded: bytes[OutboxFrame.headBytes..<frame.bytes])
        else {
            logger.warning("The outbox cursor is damaged: some records are delivered again")
            return nil
        }
        return counters
    }

    private static func number(_ name: String) -> UInt64? {
        name.hasSuffix(".seg") ? UInt64(name.dropLast(4)) : nil
    }
}
