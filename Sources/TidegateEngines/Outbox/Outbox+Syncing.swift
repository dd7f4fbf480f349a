internal import Glibc
internal import Logging
internal import Metrics
internal import Synchronization
internal import TidegateCore

/// The background thread: syncs, deletes, writes the cursor, mints streams, heals.
extension Outbox {
    private struct Round {
        var unsynced: SegmentWriter.Unsynced?
        var bodies: [String]
        var marks: [(lane: Int, through: UInt64)]
        var durable: [Durable]
        var deletable: [UInt64]
        var counters: OutboxCounters?
        var minting: [CheckedContinuation<Result<Void, TidegateError>, Never>]
    }

    func work() {
        var cursorDueAt = Self.monotonicMs()
        while true {
            let (isIdle, isClosing) = state.withLock { state in
                (state.writer.isClean && state.minting.isEmpty && state.failure == nil, state.isClosing)
            }
            if !isClosing {
                let isCursorDirty = state.withLock { $0.isCursorDirty }
                if isIdle { pulse.wait(milliseconds: isCursorDirty ? settings.cursorIntervalMs : nil) }
                if settings.mode == .process, settings.syncDelayMs > 0 { usleep(UInt32(settings.syncDelayMs) * 1_000) }
            }
            let now = Self.monotonicMs()
            let isCursorDue = isClosing || now >= cursorDueAt
            let succeeded = round(writesCursor: isCursorDue)
            if isCursorDue { cursorDueAt = now + settings.cursorIntervalMs }
            if isClosing { return refuseMinting() }
            if !succeeded || state.withLock({ $0.failure != nil }) { pulse.wait(milliseconds: 1_000) }
        }
    }

    private func round(writesCursor: Bool) -> Bool {
        heal()
        var round = take(writesCursor)
        do throws(SystemFailure) {
            try bodies.sync(round.bodies)
            if let unsynced = round.unsynced {
                let startedAt = Self.monotonicMs()
                for file in unsynced.files { try file.sync() }
                if unsynced.hasNewFile { try Directories.sync(directory) }
                metrics.sync.recordMilliseconds(Self.monotonicMs() - startedAt)
            }
        } catch {
            failed(&round, error)
            return false
        }
        finish(round)
        return tidy(round)
    }

    private func take(_ writesCursor: Bool) -> Round {
        state.withLock { state in
            var minting: [CheckedContinuation<Result<Void, TidegateError>, Never>] = []
            if !state.minting.isEmpty, state.failure == nil { minting = mint(&state) }
            let deletable = state.core.deletable(except: state.writer.number)
            let isCursorDue = !deletable.isEmpty || (writesCursor && state.isCursorDirty)
            if isCursorDue { state.isCursorDirty = false }
            let isDirty = !state.writer.isClean
            defer { (state.durable, state.unsyncedBodies) = ([], []) }
            return Round(
                unsynced: isDirty ? state.writer.takeUnsynced() : nil, bodies: state.unsyncedBodies,
                marks: state.core.takeUnsynced(),
                durable: state.durable, deletable: deletable, counters: isCursorDue ? state.core.counters : nil,
                minting: minting)
        }
    }

    /// The new name stands at the head of a new file; nothing is delivered until that is synced.
    private func mint(_ state: inout State) -> [CheckedContinuation<Result<Void, TidegateError>, Never>] {
        defer { state.minting = [] }
        if !state.isMinting {
            var random = SystemRandomNumberGenerator()
            state.core.mint(StreamID(random: &random))
            state.isMinting = true
        }
        do throws(SystemFailure) { try startFile(&state) } catch {
            // The old file goes on; a later file's head carries the new name.
            state.failure = error.error
        }
        return state.minting
    }

    private func finish(_ round: Round) {
        let (waiters, hasBodies) = state.withLock { state in
            state.core.synced(round.marks)
            state.core.refreshResolved()
            if state.failure == nil { state.isMinting = false }
            guard !round.marks.isEmpty || !round.minting.isEmpty else {
                return ([CheckedContinuation<Void, Never>](), false)
            }
            defer { state.waiters = [:] }
            state.hasNews = state.waiters.isEmpty
            return (Array(state.waiters.values), state.core.hasWaitingBodies)
        }
        for durable in round.durable { durable(nil) }
        if hasBodies { bodyBell.yield() }
        for waiter in waiters { waiter.resume() }
        guard !round.minting.isEmpty else { return }
        let failure = state.withLock { $0.failure }
        if failure == nil {
            logger.warning("The outbox goes on under a new stream", metadata: ["stream": "\(stream)"])
            metrics.streams.increment()
        }
        for one in round.minting { one.resume(returning: failure.map { .failure($0) } ?? .success(())) }
    }

    private func failed(_ round: inout Round, _ failure: SystemFailure) {
        metrics.failures.increment()
        logger.error("The outbox cannot sync; calls go on by policy", metadata: ["error": "\(failure)"])
        state.withLock { state in
            if let unsynced = round.unsynced { state.writer.putBack(unsynced) }
            state.core.notSynced(round.marks)
            state.unsyncedBodies += round.bodies
            state.failure = failure.error
            if round.counters != nil { state.isCursorDirty = true }
        }
        for durable in round.durable { durable(failure.error) }
        for one in round.minting { one.resume(returning: .failure(failure.error)) }
    }

    /// The cursor goes first: what a deleted file held must be known as acknowledged.
    private func tidy(_ round: Round) -> Bool {
        let statistics = statistics
        metrics.pending.record(statistics.pending)
        metrics.bytes.record(statistics.bytes)
        guard let counters = round.counters else { return true }
        do throws(SystemFailure) {
            try Directories.replace(
                "\(directory)/cursor", with: OutboxFrame(.cursor).bytes(body: counters.encoded()))
            for segment in round.deletable { try Directories.remove(SegmentWriter.path(directory, segment)) }
            for row in state.withLock({ $0.core.takeRemovable() }) { bodies.remove(row) }
        } catch {
            logger.warning("The outbox cannot tidy up, it will try again", metadata: ["error": "\(error)"])
            state.withLock { $0.isCursorDirty = true }
            return false
        }
        state.withLock { state in for segment in round.deletable { state.core.forget(segment) } }
        return true
    }

    /// After a disk error: as soon as there is room, a new file takes what comes.
    private func heal() {
        state.withLock { state in
            guard state.failure != nil, !state.isClosing, freeBytes() >= settings.freeBytesMin else { return }
            do throws(SystemFailure) { try startFile(&state) } catch { return }
            state.failure = nil
            do throws(TidegateError) { try endStranded(&state) } catch { return }
            logger.notice("The outbox can write again")
        }
    }

    private func refuseMinting() {
        let minting = state.withLock { state in
            defer { state.minting = [] }
            return state.minting
        }
        let closed = TidegateError(.unavailable, "The outbox is closed.")
        for one in minting { one.resume(returning: .failure(closed)) }
    }

    func freeBytes() -> UInt64 {
        var status = statvfs()
        guard statvfs(directory, &status) == 0 else { return 0 }
        return UInt64(status.f_bavail) * UInt64(status.f_frsize)
    }

    private static func monotonicMs() -> Int {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return now.tv_sec * 1_000 + now.tv_nsec / 1_000_000
    }
}
