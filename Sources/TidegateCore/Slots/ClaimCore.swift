/// Becomes the owner of a slot and brings its databases to the log's end (protocol §5).
///
/// Rules that it keeps:
/// - The claim compares `own`, `head` and `snap` as it read them; an outcome that is not known is settled by reading `own`.
/// - Recovery starts at the newest snapshot that can be read, and replays exactly the objects that the lineage names, in
///   order, each checked against its predecessor and the last one against the head.
/// - An object that cannot be had is looked for, then named as a hole: never skipped silently (A8).
package struct ClaimCore: Sendable {
    package enum Event: Sendable {
        case start
        /// The answers of `SlotClaim.reading`.
        case read([KeyValue?])
        case readFailed
        case claimed(Revision)
        /// The claim's transaction failed, or nobody knows.
        case notClaimed
        case owner(KeyValue?)
        case ownerFailed
        /// The manifest was read; `logCRC` is the CRC of log object `n`, with which the replay goes on.
        case manifest(logCRC: UInt32)
        /// It is absent or damaged.
        case manifestLost
        case manifestFailed
        case fetched(LogIndex, crc: UInt32, previousCRC: UInt32)
        /// The object is absent or damaged.
        case lost(LogIndex)
        case fetchFailed(LogIndex)
        case applied(LogIndex)
        case applyFailed(LogIndex)
    }

    package indirect enum Effect: Equatable, Sendable {
        case read(after: Duration)
        case claim(CoordinationTransaction)
        case readOwner(after: Duration)
        case loadManifest(SnapshotPointer, after: Duration)
        /// Answer `fetched`, `lost` or `fetchFailed`; keep the object until `apply`.
        case fetch(LogIndex, LineageStep, after: Duration)
        /// - isGuarded: decode it where it can do no harm: owners of this slot have died often lately (A13).
        case apply(LogIndex, isGuarded: Bool, after: Duration)
        /// A committed object is lost: tell an operator. The replay goes on behind it.
        case hole(LogIndex)
        case ready(Claimed)
        /// Nothing here can help: the slot stays as it is.
        case failed(TidegateError)

        package static func == (one: Effect, other: Effect) -> Bool { "\(one)" == "\(other)" }
    }

    /// What an owner starts with.
    package struct Claimed: Sendable {
        package var claim: SlotClaim
        /// Mod-revision of `own`: compared by everything that the owner writes.
        package var fence: Revision
        /// The snapshot that recovery started from; `nil` is the empty state.
        package var base: SnapshotPointer?
        package var replayed: Int
        package var holes: [LogIndex]
    }

    private enum Phase { case idle, reading, claiming, settling, loading, replaying, checking(Loss), done }
    /// What is said of a slot only by its owner: to whom was robbed, what its successor deleted looks lost.
    private enum Loss { case snapshots, object(LogIndex) }
    private struct Fetched {
        var crc: UInt32
        var previousCRC: UInt32
    }

    private let slot: SlotID
    private let keys: CoordinationKeys
    private let incarnation: IncarnationID
    private let settings: SlotSettings
    private let nowMs: Int64
    private let seen: Epoch?

    private var phase = Phase.idle
    private var failures = 0
    private var claim: SlotClaim?
    private var fence: Revision = 0
    private var candidates: [SnapshotPointer] = []
    private var base: SnapshotPointer?
    private var isGuarded = false

    /// Newest object whose effects are in the databases.
    private var appliedN: LogIndex = 0
    /// `nil` behind a hole: any object may follow it.
    private var lastCRC: UInt32? = 0
    private var nextFetch: LogIndex = 1
    private var fetched: [LogIndex: Fetched] = [:]
    private var attempts: [LogIndex: (count: Int, since: Duration)] = [:]
    private var isApplying = false
    private var replayed = 0
    private var holes: [LogIndex] = []

    /// - Parameters:
    ///   - nowMs: wall clock, for counting claims only: a wrong one makes a replay more or less careful.
    ///   - seen: the epoch at which the slot was found to be without an owner; with another one somebody was faster, and is not
    ///     robbed. `nil` claims whatever is there.
    package init(
        _ slot: SlotID, keys: CoordinationKeys, incarnation: IncarnationID, nowMs: Int64, settings: SlotSettings,
        seen: Epoch? = nil
    ) {
        self.slot = slot
        self.keys = keys
        self.incarnation = incarnation
        self.nowMs = nowMs
        self.settings = settings
        self.seen = seen
    }

    package mutating func handle(_ event: Event, at now: Duration) -> [Effect] {
        switch (phase, event) {
        case (.idle, .start): return begin()
        case (.reading, .read(let reads)): return read(reads)
        case (.reading, .readFailed): return [.read(after: pause())]
        case (.claiming, .claimed(let revision)): return claimed(fence: revision)
        case (.claiming, .notClaimed):
            phase = .settling
            return [.readOwner(after: .zero)]
        case (.settling, .owner(let owner)): return settle(owner)
        case (.settling, .ownerFailed): return [.readOwner(after: pause())]
        case (.loading, .manifest(let logCRC)): return loaded(logCRC: logCRC)
        case (.loading, .manifestLost):
            candidates.removeFirst()
            return load()
        case (.loading, .manifestFailed): return candidates.first.map { [.loadManifest($0, after: pause())] } ?? []
        case (.replaying, _): return replaying(event, at: now)
        case (.checking(let loss), .owner(let owner)): return confirm(loss, owner, at: now)
        case (.checking, .ownerFailed): return [.readOwner(after: pause())]
        case (.checking, .fetched(let n, let crc, let previousCRC)):
            if n > appliedN, n < nextFetch { fetched[n] = Fetched(crc: crc, previousCRC: previousCRC) }
            return []
        case (.checking, .lost(let n)), (.checking, .fetchFailed(let n)): return refetch(n, at: now)
        default: return []
        }
    }

    private mutating func pause() -> Duration {
        failures += 1
        return settings.retryDelay(failures)
    }

    // MARK: - Claiming

    private mutating func begin() -> [Effect] {
        phase = .reading
        return [.read(after: .zero)]
    }

    private mutating func read(_ reads: [KeyValue?]) -> [Effect] {
        do throws(TidegateError) {
            let claim = try SlotClaim(
                slot, keys: keys, reads: reads, incarnation: incarnation, nowMs: nowMs, settings: settings)
            if let seen, claim.epoch != seen + 1 {
                phase = .done
                return [.failed(TidegateError(.notOwner, "The slot \(slot) was claimed by somebody else meanwhile."))]
            }
            self.claim = claim
            phase = .claiming
            return [.claim(claim.transaction)]
        } catch {
            phase = .done
            return [.failed(error)]
        }
    }

    /// Compare-failed or unclear: it may be mine all the same (A4).
    private mutating func settle(_ owner: KeyValue?) -> [Effect] {
        do throws(TidegateError) {
            if let fence = try claim?.fence(in: owner) { return claimed(fence: fence) }
            return begin()
        } catch {
            phase = .done
            return [.failed(error)]
        }
    }

    private mutating func claimed(fence: Revision) -> [Effect] {
        guard let claim else { return [] }
        self.fence = fence
        failures = 0
        isGuarded = claim.claims.count >= settings.guardedClaims
        candidates = [claim.snapshot.cur, claim.snapshot.prev].compactMap { $0 }
        guard !candidates.isEmpty else { return replayFrom(0, crc: 0) }
        return load()
    }

    // MARK: - Recovering

    private mutating func load() -> [Effect] {
        guard let pointer = candidates.first else { return check(.snapshots) }
        phase = .loading
        return [.loadManifest(pointer, after: .zero)]
    }

    private mutating func loaded(logCRC: UInt32) -> [Effect] {
        guard let pointer = candidates.first else { return [] }
        base = pointer
        return replayFrom(pointer.n, crc: logCRC)
    }

    private mutating func replayFrom(_ n: LogIndex, crc: UInt32) -> [Effect] {
        phase = .replaying
        failures = 0
        (appliedN, lastCRC, nextFetch) = (n, crc, n + 1)
        return advance()
    }

    private var headN: LogIndex { claim?.head?.n ?? 0 }

    private mutating func replaying(_ event: Event, at now: Duration) -> [Effect] {
        switch event {
        case .fetched(let n, let crc, let previousCRC):
            guard n > appliedN, n < nextFetch, fetched[n] == nil else { return [] }
            fetched[n] = Fetched(crc: crc, previousCRC: previousCRC)
        case .lost(let n): return lost(n, at: now)
        case .fetchFailed(let n):
            guard n > appliedN, n < nextFetch, fetched[n] == nil else { return [] }
            return refetch(n, at: now)
        case .applied(let n):
            guard isApplying, n == appliedN + 1 else { return [] }
            finish(n, crc: fetched[n]?.crc)
            replayed += 1
        case .applyFailed(let n):
            guard isApplying, n == appliedN + 1 else { return [] }
            return [.apply(n, isGuarded: isGuarded, after: pause())]
        default: return []
        }
        return advance(at: now)
    }

    private mutating func finish(_ n: LogIndex, crc: UInt32?) {
        isApplying = false
        failures = 0
        lastCRC = crc
        appliedN = n
        fetched[n] = nil
        attempts[n] = nil
    }

    private mutating func refetch(_ n: LogIndex, at now: Duration) -> [Effect] {
        guard let step = claim?.snapshot.step(of: n) else { return [] }
        let attempt = attempts[n] ?? (0, now)
        attempts[n] = (attempt.count + 1, attempt.since)
        return [.fetch(n, step, after: settings.retryDelay(attempt.count + 1))]
    }

    /// Looked for again until `holeAfter`; then a hole, once everything before it is applied.
    private mutating func lost(_ n: LogIndex, at now: Duration) -> [Effect] {
        guard n > appliedN, n < nextFetch, !isApplying || n != appliedN + 1 else { return [] }
        fetched[n] = nil
        let since = attempts[n]?.since ?? now
        guard n == appliedN + 1, now - since >= settings.holeAfter else { return refetch(n, at: now) }
        return check(.object(n))
    }

    private mutating func check(_ loss: Loss) -> [Effect] {
        phase = .checking(loss)
        return [.readOwner(after: .zero)]
    }

    private mutating func confirm(_ loss: Loss, _ owner: KeyValue?, at now: Duration) -> [Effect] {
        failures = 0
        guard owner?.modRevision == fence else {
            phase = .done
            return [.failed(TidegateError(.notOwner, "The slot \(slot) was claimed by somebody else meanwhile."))]
        }
        switch loss {
        case .snapshots:
            phase = .done
            return [
                .failed(
                    TidegateError(
                        .corrupt,
                        "Neither snapshot of \(slot) can be read: restore its objects, then start again. Nothing was changed."
                    ))
            ]
        case .object(let n):
            phase = .replaying
            holes.append(n)
            finish(n, crc: n == headN ? claim?.head?.crc : nil)
            return [.hole(n)] + advance(at: now)
        }
    }

    private mutating func advance(at now: Duration = .zero) -> [Effect] {
        var effects: [Effect] = []
        while nextFetch <= headN, nextFetch <= appliedN + UInt64(max(1, settings.recoveryReadsMax)) {
            guard let step = claim?.snapshot.step(of: nextFetch) else {
                phase = .done
                return [
                    .failed(
                        TidegateError(.corrupt, "The lineage of \(slot) does not say who wrote object \(nextFetch)."))
                ]
            }
            effects.append(.fetch(nextFetch, step, after: .zero))
            nextFetch += 1
        }
        if !isApplying, let next = fetched[appliedN + 1] {
            // An object that continues another log than this one is not the committed one, however whole it is.
            let isLast = appliedN + 1 == headN
            let continues = lastCRC == nil || next.previousCRC == lastCRC
            guard continues, !isLast || next.crc == claim?.head?.crc else {
                return effects + lost(appliedN + 1, at: now)
            }
            isApplying = true
            effects.append(.apply(appliedN + 1, isGuarded: isGuarded, after: .zero))
        }
        if appliedN >= headN, let claim {
            phase = .done
            effects.append(
                .ready(Claimed(claim: claim, fence: fence, base: base, replayed: replayed, holes: holes)))
        }
        return effects
    }
}
