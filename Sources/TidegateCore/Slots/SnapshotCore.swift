/// When a slot's state is written down, and how it becomes the one that recovery starts from (protocol §6).
///
/// Rules that it keeps: one snapshot at a time; it holds committed entries only and stands between two of them; it is
/// published by a transaction that compares `own` and `snap`, after everything it names is stored; what is retained as
/// the older one is a snapshot that this owner has read or made itself.
package struct SnapshotCore: Sendable {
    package enum Event: Equatable, Sendable {
        case applied(LogIndex, bytes: Int)
        case tick
        /// Take one now if anything changed since the last, for instance before a release.
        case force
        /// The databases stand pinned at `n`.
        case pinned(LogIndex)
        case pinFailed
        /// Every object of the snapshot is stored, its manifest last.
        case stored(SnapshotPointer)
        case storeFailed
        case published(snapRevision: Revision)
        /// The transaction failed, or nobody knows.
        case notPublished
        case read(ownRevision: Revision, snapshot: SlotSnapshot?, snapRevision: Revision)
        case readFailed
    }

    package enum Effect: Equatable, Sendable {
        /// Pin the changed databases between two entries; answer `pinned` or `pinFailed`.
        case pin
        /// Copy and store what is pinned; answer `stored` or `storeFailed`.
        case store(LogIndex)
        case publish(SlotSnapshot, ownRevision: Revision, snapRevision: Revision)
        case readBack(after: Duration)
        /// Recovery starts from it now; `dropped` is retained no more.
        case published(SlotSnapshot, dropped: SnapshotPointer?)
        /// Nothing came of it: let go of what was pinned or stored.
        case discard
        case wake(at: Duration)
    }

    private enum Phase: Equatable { case idle, pinning, storing(LogIndex), publishing, reading, fenced }

    /// The published state.
    package private(set) var snapshot: SlotSnapshot
    private var snapRevision: Revision
    private let ownRevision: Revision
    private let settings: SlotSettings
    /// The newest snapshot that this owner has really read or made.
    private var good: SnapshotPointer?
    private var phase = Phase.idle
    private var candidate: SlotSnapshot?
    private var appliedN: LogIndex
    private var objects: Int
    private var bytes = 0
    private var dirtySince: Duration?
    private var pinnedChanges: (objects: Int, bytes: Int) = (0, 0)
    private var isForced = false
    private var failures = 0
    private var notBefore = Duration.zero
    private var wakeAt: Duration?

    package init(_ claimed: ClaimCore.Claimed, settings: SlotSettings, at now: Duration) {
        snapshot = claimed.claim.snapshot
        ownRevision = claimed.fence
        snapRevision = claimed.fence  // the claim wrote both
        good = claimed.base
        appliedN = claimed.claim.head?.n ?? 0
        objects = claimed.replayed
        if claimed.replayed > 0 { dirtySince = now }
        self.settings = settings
        isForced = claimed.replayed > settings.replayedMax || !claimed.holes.isEmpty
    }

    /// Whether everything that is applied is in a published snapshot.
    package var isClean: Bool { objects == 0 && phase == .idle }

    package mutating func handle(_ event: Event, at now: Duration) -> [Effect] {
        switch (phase, event) {
        case (.fenced, _): return []
        case (_, .applied(let n, let size)):
            appliedN = n
            objects += 1
            bytes += size
            dirtySince = dirtySince ?? now
        case (_, .tick): if let wakeAt, wakeAt <= now { self.wakeAt = nil }
        case (_, .force): isForced = true
        case (.pinning, .pinned(let n)):
            phase = .storing(n)
            pinnedChanges = (objects, bytes)
            return [.store(n)]
        case (.pinning, .pinFailed), (.storing, .storeFailed): return [.discard] + failed(at: now)
        case (.storing(let n), .stored(let pointer)):
            guard pointer.n == n else { return [] }
            let new = snapshot.publishing(pointer, keeping: good)
            candidate = new
            phase = .publishing
            return [.publish(new, ownRevision: ownRevision, snapRevision: snapRevision)]
        case (.publishing, .published(let revision)): return published(revision, at: now)
        case (.publishing, .notPublished), (.reading, .readFailed):
            phase = .reading
            failures += 1
            return [.readBack(after: settings.retryDelay(failures - 1))]
        case (.reading, .read(let own, let found, let revision)): return settle(own, found, revision, at: now)
        default: return []
        }
        return advance(at: now)
    }

    private mutating func advance(at now: Duration) -> [Effect] {
        guard phase == .idle, objects > 0 else { return [] }
        var due = max(notBefore, (dirtySince ?? now) + settings.snapshotAge)
        if isForced || objects >= settings.snapshotObjects || bytes >= settings.snapshotBytes { due = notBefore }
        guard due <= now else {
            if let wakeAt, wakeAt <= due { return [] }
            wakeAt = due
            return [.wake(at: due)]
        }
        phase = .pinning
        return [.pin]
    }

    private mutating func failed(at now: Duration) -> [Effect] {
        phase = .idle
        candidate = nil
        failures += 1
        notBefore = now + settings.retryDelay(failures)
        return advance(at: now)
    }

    private mutating func published(_ revision: Revision, at now: Duration) -> [Effect] {
        guard let candidate else { return [] }
        let retained = [candidate.cur, candidate.prev]
        let dropped = [snapshot.cur, snapshot.prev].compactMap { $0 }.first { !retained.contains($0) }
        snapshot = candidate
        snapRevision = revision
        good = candidate.cur
        self.candidate = nil
        objects -= pinnedChanges.objects
        bytes -= pinnedChanges.bytes
        dirtySince = objects > 0 ? now : nil
        (failures, notBefore) = (0, .zero)
        isForced = isForced && objects > 0
        phase = .idle
        return [.published(candidate, dropped: dropped)] + advance(at: now)
    }

    private mutating func settle(
        _ own: Revision, _ found: SlotSnapshot?, _ revision: Revision, at now: Duration
    ) -> [Effect] {
        guard own == ownRevision else { return fence() }
        if found == candidate { return published(revision, at: now) }
        guard found == snapshot, let candidate else { return fence() }
        snapRevision = revision
        phase = .publishing
        return [.publish(candidate, ownRevision: ownRevision, snapRevision: revision)]
    }

    /// Somebody else writes here. Nothing that was stored is deleted: the successor's sweep does that.
    private mutating func fence() -> [Effect] {
        phase = .fenced
        candidate = nil
        return [.discard]
    }
}
