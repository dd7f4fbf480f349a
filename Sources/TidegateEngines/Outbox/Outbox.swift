internal import Glibc
package import Logging
internal import Synchronization
package import TidegateCore

/// The edge's durable memory on disk. Files: `DIRECTORY/lock`, `DIRECTORY/<stream>/<number>.seg`, `…/cursor`, and
/// `DIRECTORY/bodies/<stream>.<intent>.request` or `.response` for bodies too long for their rows; a stream's directory and
/// its files keep their first name when a new stream is minted.
///
/// One mutex guards numbers and the current file: the order of frames in the files is the order of the numbers. A thread
/// syncs, deletes what is acknowledged, writes the cursor and heals after disk errors; another reads old records back.
/// Records are delivered only once synced: a power cut could otherwise make us give the number of a record that its owner
/// has seen to another one.
package final class Outbox: CaptureLog, DeliveryQueue, BodyQueue {
    typealias Durable = @Sendable (TidegateError?) -> Void

    struct State: Sendable {
        var core: OutboxCore
        var writer: SegmentWriter
        /// Called after the next sync (mode `power`).
        var durable: [Durable] = []
        /// Intents on disk whose completion could not be written.
        var stranded: [OutboxRecovery.OpenIntent] = []
        /// Why nothing can be written at present.
        var failure: TidegateError?
        /// Files of bodies whose rows wait for the next sync (mode `power`).
        var unsyncedBodies: [String] = []
        var isCursorDirty = false
        var isFlushAsked = false
        var isClosing = false
        var isClosed = false
        var minting: [CheckedContinuation<Result<Void, TidegateError>, Never>] = []
        /// A new stream's name is not on disk yet: nothing is delivered meanwhile.
        var isMinting = false
        var hasNews: Bool
        var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var nextWaiter: UInt64 = 0
        var syncer: pthread_t?
    }

    let directory: String
    let bodies: OutboxBodyFiles
    let settings: OutboxSettings
    let clock: any WallClock
    let logger: Logger
    let metrics = OutboxMetrics()
    let state: Mutex<State>
    let pulse = Pulse()
    let readers: WorkerThreads
    private let lock: Mutex<DirectoryLock?>
    package let bodyNews: AsyncStream<Void>
    let bodyBell: AsyncStream<Void>.Continuation

    /// - Parameter directory: created when absent; one process at a time.
    /// - Throws: `.conflict` when another process uses the directory, `.unavailable` when the disk refuses,
    ///   `.invalidConfiguration`.
    package static func open(
        directory: String, settings: OutboxSettings, clock: any WallClock, logger: Logger
    ) throws(TidegateError) -> Outbox {
        let settings = try settings.validated()
        let outbox = try Outbox(directory, settings, clock, logger)
        try outbox.start()
        return outbox
    }

    private init(
        _ directory: String, _ settings: OutboxSettings, _ clock: any WallClock, _ logger: Logger
    ) throws(TidegateError) {
        lock = Mutex(try DirectoryLock.take(directory))
        let opened = try OutboxOpening.run(directory: directory, settings: settings, logger: logger, metrics: metrics)
        self.directory = opened.directory
        bodies = opened.bodies
        (bodyNews, bodyBell) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        if opened.core.hasWaitingBodies { bodyBell.yield() }
        self.settings = settings
        self.clock = clock
        self.logger = logger
        state = Mutex(
            State(
                core: opened.core, writer: opened.writer, stranded: opened.open, hasNews: opened.core.hasRecords))
        readers = try WorkerThreads(name: "tg-outbox-read", count: 1, jobsMax: 16_384)
    }

    /// Ends what the last process left open, and starts the background work.
    private func start() throws(TidegateError) {
        let result: Result<Void, TidegateError> = state.withLock { state in
            do throws(TidegateError) { return .success(try endStranded(&state)) } catch { return .failure(error) }
        }
        do throws(TidegateError) { try result.get() } catch {
            readers.close()
            throw error
        }
        do throws(SystemFailure) {
            let thread = try startThread(name: "tg-outbox-sync") { self.work() }
            state.withLock { $0.syncer = thread }
        } catch {
            readers.close()
            throw error.error
        }
    }

    /// Syncs, writes the cursor and lets go of the directory. Captures nothing any more; what is open becomes an aborted
    /// row at the next start.
    package func close() {
        let (syncer, waiters) = state.withLock { state in
            state.isClosing = true
            defer { (state.syncer, state.waiters) = (nil, [:]) }
            return (state.syncer, state.waiters)
        }
        pulse.ring()
        for waiter in waiters.values { waiter.resume() }
        bodyBell.finish()
        if let syncer { pthread_join(syncer, nil) }
        readers.close()
        lock.withLock { $0 = nil }
    }

    package var statistics: DeliveryStatistics {
        state.withLock { state in
            var statistics = state.core.statistics
            statistics.isWritable = state.failure == nil
            return statistics
        }
    }

    /// The stream whose numbers records carry now.
    package var stream: StreamID { state.withLock { $0.core.stream } }
}
