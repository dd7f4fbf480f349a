/// Carries the entries of one slot through seal, store, commit, apply and acknowledge, for one epoch (protocol §4).
///
/// Rules that it keeps, whatever the stores answer:
/// - The content of `n` is frozen by the one `seal` effect; every later `put` and `commit` of `n` means those bytes (A4).
/// - Objects are committed in the order of `n`, one at a time, however their puts overtake one another.
/// - Any outcome of a commit but success is settled by reading `own` and `head` together: fenced, committed, or again.
/// - A row is acknowledged after it was applied, and applied after it was committed: readers see nothing else (I7).
package struct SlotCore: Sendable {
    package enum Event: Equatable, Sendable {
        /// One more entry waits in the open object.
        case added(bytes: Int)
        case tick
        /// The open object's content is fixed.
        case sealed(LogIndex, length: Int, crc: UInt32)
        case stored(LogIndex)
        case storeFailed(LogIndex)
        case committed(LogIndex, headRevision: Revision)
        /// The commit failed, or nobody knows.
        case notCommitted(LogIndex)
        case read(ownRevision: Revision, head: SlotHead?, headRevision: Revision)
        case readFailed
        case applied(LogIndex)
        case applyFailed(LogIndex)
        /// Somebody wants the databases to stand still for a moment, between two objects.
        case pin
        /// They may go on.
        case unpin
        /// Flush at once from now on.
        case drain
    }

    package enum Effect: Equatable, Sendable {
        /// Fix the open object's content as `n` and answer `sealed`; what comes later goes into the next object.
        case seal(LogIndex, previousCRC: UInt32)
        case put(LogIndex, after: Duration)
        case commit(SlotHead, ownRevision: Revision, headRevision: Revision)
        case readBack(after: Duration)
        case apply(LogIndex, after: Duration)
        /// Everything up to here is applied, and nothing more until `unpin`.
        case pinned(LogIndex)
        case acknowledge(LogIndex)
        /// Send `tick` at this time.
        case wake(at: Duration)
        /// Somebody else owns the slot: nothing here will be acknowledged any more.
        case fenced
    }

    private enum Stage { case sealing, storing, stored, committed }
    private struct Object {
        let n: LogIndex
        let previousCRC: UInt32
        let waitingBytes: Int
        var length = 0
        var crc: UInt32 = 0
        var stage = Stage.sealing
        var failures = 0
    }
    private enum Commit: Equatable { case idle, asked(LogIndex), reading(LogIndex) }

    package let epoch: Epoch
    package private(set) var isFenced = false
    /// Newest committed and newest applied object.
    package private(set) var committedN: LogIndex
    package private(set) var appliedN: LogIndex
    /// Bytes that were taken and are not yet applied.
    package private(set) var waitingBytes = 0

    private let ownRevision: Revision
    private let settings: SlotSettings
    private var headRevision: Revision
    private var lastCRC: UInt32
    private var objects: [Object] = []
    private var commit = Commit.idle
    private var commitFailures = 0
    /// The lane in which databases change: one object, or a pin, at a time.
    private enum Lane { case free, applying, pinned }
    private var lane = Lane.free
    private var isPinWanted = false
    private var openBytes = 0
    private var openSince: Duration?
    private var lastSeal: Duration?
    private var wakeAt: Duration?
    private var isDraining = false

    /// - Parameters:
    ///   - ownRevision: mod-revision of `own` that the claim made.
    ///   - head: the log's end, everything up to it applied; `nil` for an empty log.
    package init(
        epoch: Epoch, ownRevision: Revision, head: SlotHead?, headRevision: Revision, settings: SlotSettings
    ) {
        self.epoch = epoch
        self.ownRevision = ownRevision
        self.settings = settings
        self.headRevision = headRevision
        committedN = head?.n ?? 0
        appliedN = committedN
        lastCRC = head?.crc ?? 0
    }

    /// Whether there is room for `bytes` more; one entry always fits into an empty log, however large.
    package func hasRoom(for bytes: Int) -> Bool {
        waitingBytes == 0 || waitingBytes + bytes <= settings.waitingBytesMax
    }

    /// Whether nothing waits, in whatever stage.
    package var isIdle: Bool { openSince == nil && objects.isEmpty }

    package mutating func handle(_ event: Event, at now: Duration) -> [Effect] {
        guard !isFenced else { return [] }
        var effects: [Effect] = []
        switch event {
        case .added(let bytes):
            openBytes += bytes
            waitingBytes += bytes
            openSince = openSince ?? now
        case .tick: if let wakeAt, wakeAt <= now { self.wakeAt = nil }
        case .drain: isDraining = true
        case .pin: isPinWanted = true
        case .unpin:
            isPinWanted = false
            if lane == .pinned { lane = .free }
        case .sealed(let n, let length, let crc): effects += sealed(n, length: length, crc: crc)
        case .stored(let n): change(n, from: .storing) { $0.stage = .stored }
        case .storeFailed(let n):
            if let failures = failed(n, in: .storing) {
                effects.append(.put(n, after: settings.retryDelay(failures)))
            }
        case .committed(let n, let revision):
            if commit == .asked(n) { moveHead(to: n, revision: revision) }
        case .notCommitted(let n):
            if commit == .asked(n) { effects.append(readBack(n)) }
        case .read(let own, let head, let revision): effects += settle(own: own, head: head, revision: revision)
        case .readFailed:
            if case .reading(let n) = commit { effects.append(readBack(n)) }
        case .applied(let n): effects += applied(n)
        case .applyFailed(let n):
            if let failures = failed(n, in: .committed) {
                effects.append(.apply(n, after: settings.retryDelay(failures)))
            }
        }
        return isFenced ? effects : effects + advance(at: now)
    }

    // MARK: - Settling

    private mutating func readBack(_ n: LogIndex) -> Effect {
        commit = .reading(n)
        commitFailures += 1
        return .readBack(after: settings.retryDelay(commitFailures - 1))
    }

    /// The three outcomes of A4. Anything else means that the fence was broken by something we do not know: stop.
    private mutating func settle(own: Revision, head: SlotHead?, revision: Revision) -> [Effect] {
        guard case .reading(let n) = commit, let object = objects.first(where: { $0.n == n }) else { return [] }
        guard own == ownRevision else { return fence() }
        if let head, head == frozenHead(of: object) {
            moveHead(to: n, revision: revision)
        } else if (head?.n ?? 0) == n - 1 {
            headRevision = revision
            commit = .idle
        } else {
            return fence()
        }
        return []
    }

    private mutating func fence() -> [Effect] {
        isFenced = true
        objects = []
        openSince = nil
        return [.fenced]
    }

    private mutating func moveHead(to n: LogIndex, revision: Revision) {
        change(n, from: .stored) {
            $0.stage = .committed
            $0.failures = 0
        }
        committedN = n
        headRevision = revision
        commit = .idle
        commitFailures = 0
    }

    // MARK: - Stages

    private mutating func sealed(_ n: LogIndex, length: Int, crc: UInt32) -> [Effect] {
        guard objects.last?.n == n, objects.last?.stage == .sealing else { return [] }
        change(n, from: .sealing) {
            $0.stage = .storing
            $0.length = length
            $0.crc = crc
        }
        lastCRC = crc
        return [.put(n, after: .zero)]
    }

    private mutating func applied(_ n: LogIndex) -> [Effect] {
        guard lane == .applying, let first = objects.first, first.n == n else { return [] }
        objects.removeFirst()
        lane = .free
        appliedN = n
        waitingBytes -= first.waitingBytes
        return [.acknowledge(n)]
    }

    private mutating func advance(at now: Duration) -> [Effect] {
        var effects: [Effect] = []
        if let effect = flush(at: now) { effects.append(effect) }
        if commit == .idle, let next = objects.first(where: { $0.stage != .committed }), next.stage == .stored {
            commit = .asked(next.n)
            effects.append(.commit(frozenHead(of: next), ownRevision: ownRevision, headRevision: headRevision))
        }
        if lane == .free, isPinWanted {
            lane = .pinned
            isPinWanted = false
            effects.append(.pinned(appliedN))
        } else if lane == .free, let first = objects.first, first.stage == .committed {
            lane = .applying
            effects.append(.apply(first.n, after: .zero))
        }
        return effects
    }

    private mutating func flush(at now: Duration) -> Effect? {
        guard let openSince, objects.last?.stage != .sealing,
            objects.count(where: { $0.stage != .committed }) < settings.objectsInFlightMax
        else { return nil }
        let due = max(openSince + settings.idleFlush, lastSeal.map { $0 + settings.flushSpacing } ?? .zero)
        guard isDraining || openBytes >= settings.flushBytes || due <= now else {
            if let wakeAt, wakeAt <= due { return nil }
            wakeAt = due
            return .wake(at: due)
        }
        let n = (objects.last?.n ?? committedN) + 1
        objects.append(Object(n: n, previousCRC: lastCRC, waitingBytes: openBytes))
        openBytes = 0
        self.openSince = nil
        lastSeal = now
        return .seal(n, previousCRC: lastCRC)
    }

    private func frozenHead(of object: Object) -> SlotHead {
        SlotHead(
            n: object.n, epoch: epoch, len: object.length, crc: object.crc, prevCrc: object.previousCRC)
    }

    private mutating func change(_ n: LogIndex, from stage: Stage, _ body: (inout Object) -> Void) {
        guard let index = objects.firstIndex(where: { $0.n == n && $0.stage == stage }) else { return }
        body(&objects[index])
    }

    /// Counts a failure of `n` in `stage`; `nil` when it is not there any more.
    private mutating func failed(_ n: LogIndex, in stage: Stage) -> Int? {
        guard let index = objects.firstIndex(where: { $0.n == n && $0.stage == stage }) else { return nil }
        objects[index].failures += 1
        return objects[index].failures
    }
}
