internal import CoreMetrics
internal import Logging
internal import TidegateCore

/// What all slots of a node share.
struct SlotWorld: Sendable {
    let incarnation: IncarnationID
    let coordination: any CoordinationStore
    let store: any ObjectStore
    let keys: CoordinationKeys
    let storage: any GatewayStorageProvider
    let registry: any GatewayRegistry
    let committer: NodeCommitter
    let clock: any WallClock
    let settings: ObjectsSettings
    let logger: Logger
    /// Names of objects that are never used twice.
    let mintName: @Sendable () -> String
    let entryGuard: any EntryGuard
    let metrics = SlotMetrics()
    let snapshotPlaces: Places
    let sealPlaces: Places

    init(
        incarnation: IncarnationID, coordination: any CoordinationStore, store: any ObjectStore,
        keys: CoordinationKeys, storage: any GatewayStorageProvider, registry: any GatewayRegistry,
        clock: any WallClock, settings: ObjectsSettings, logger: Logger, mintName: @escaping @Sendable () -> String,
        entryGuard: any EntryGuard
    ) {
        self.incarnation = incarnation
        self.coordination = coordination
        self.store = store
        self.keys = keys
        self.storage = storage
        self.registry = registry
        committer = NodeCommitter(store: coordination)
        self.clock = clock
        self.settings = settings
        self.logger = logger
        self.mintName = mintName
        self.entryGuard = entryGuard
        snapshotPlaces = Places(settings.snapshotsAtOnce)
        sealPlaces = Places(settings.sealsAtOnce)
    }
}

/// The shell of one slot: owns its cores, carries out their effects, feeds the results back. Invariants:
/// - State changes only while `run` works through the mailbox, in steps that do not suspend; effects are jobs whose
///   results come back through the mailbox.
/// - The bytes of an object are made once, by `seal`, and live in `sealed` until the object is applied (A4).
package actor SlotHost {
    /// `draining`: nothing new is taken; `leaving`: everything is applied, a last snapshot and the release are under way.
    enum Phase { case starting, serving, draining, leaving, fenced, stopped }
    typealias Job = @concurrent @Sendable () async -> Void

    nonisolated let slot: SlotID
    nonisolated let mailbox: SlotMailbox
    nonisolated let world: SlotWorld
    nonisolated let keeper: AllowanceKeeper
    private nonisolated let origin = ContinuousClock.now
    private let reclaim: @Sendable (String) async -> Void

    var phase = Phase.starting
    var core: SlotCore?
    var fence: Revision = 0
    var rooms: [GatewayUID: GatewayRoom] = [:]
    var storages: [GatewayUID: any GatewayStorage] = [:]
    var open = OpenObject()
    var sealed: [LogIndex: SealedObject] = [:]
    /// The slot's snapshots and what becomes garbage by them; `nil` until it is owned.
    var upkeep: SlotUpkeep?
    var isReleasing = false
    /// Node that should claim the slot next.
    var hint: String?
    /// The lowest format that reads the slot's log; kept when it is given up (A30).
    var minReader: Int?
    let sealing = SlotSealing()
    var retention: RetentionCore
    private var lastSealed: LogIndex?
    private var jobs: [Job] = []

    init(_ slot: SlotID, world: SlotWorld, reclaim: @escaping @Sendable (String) async -> Void) {
        self.slot = slot
        self.world = world
        self.reclaim = reclaim
        retention = RetentionCore(settings: world.settings.retention)
        mailbox = SlotMailbox(
            bytesMax: world.settings.mailboxBytesMax, overloaded: world.settings.overloadedDelay)
        keeper = AllowanceKeeper(
            store: world.coordination, keys: world.keys, settings: world.settings.allowance)
    }

    var now: Duration { origin.duration(to: .now) }
    var position: LogPosition { LogPosition(slot: slot, epoch: core?.epoch ?? 0, n: core?.appliedN ?? 0) }

    /// Serves until told to stop or robbed, once `claimAndRecover` has succeeded.
    func run() async {
        await withDiscardingTaskGroup { group in
            while phase != .stopped, phase != .fenced {
                for job in jobs { group.addTask { await job() } }
                jobs = []
                for input in await mailbox.next() { take(input) }
                if phase == .draining, core?.isIdle ?? true, open.isEmpty { leave() }
            }
            group.cancelAll()
        }
        end()
        for storage in storages.values { await storage.close() }
    }

    /// After a claim that came to nothing.
    func giveUp() async {
        phase = .stopped
        end()
        for storage in storages.values { await storage.close() }
    }

    func start(job: @escaping Job) { jobs.append(job) }

    private func take(_ input: SlotInput) {
        switch input {
        case .batch(let batch, let reply):
            let tracker = DeliveryTracker(count: batch.records.count, reply: reply)
            collectorStep(.resolved(batch.stream, below: batch.resolvedBelow))
            if !batch.records.isEmpty { admit(ParkedBatch(batch: batch, tracker: tracker)) }
        case .append(let uid, let entry, let reply): append(entry, to: uid, reply: reply)
        case .core(let event): step(event)
        case .applied(let n, let live): applied(n, live: live)
        case .opened(let uid, let result): opened(uid, result)
        case .open(let uid, let reply): whenOpen(uid, reply)
        case .allowance(let uid, let result): allowanceAnswered(uid, result)
        case .evict(let uid, let lsn): evict(uid, through: lsn)
        case .refresh(let uid): rooms[uid]?.allowance.capChanged()
        case .giveBack(let account, let done): giveBack(account, done: done)
        case .gaveBack(let uid):
            rooms[uid]?.isMovingRows = false
            if let room = rooms[uid] { unpark(room) }
        case .snapshot(let event): snapshotStep(event)
        case .pinned(let n, let result): pinned(n, result)
        case .stored(let pointer, let manifest): stored(pointer, manifest)
        case .collector(let event): collectorStep(event)
        case .sealing(let event): sealingStep(event)
        case .upkeepTick:
            snapshotStep(.tick)
            collectorStep(.tick)
        case .retentionTick: sweepForRetention()
        case .drain(let hint): drain(hint)
        case .released, .stop: phase = .stopped
        }
    }

    // MARK: - Effects

    func step(_ event: SlotCore.Event) {
        guard let effects = core?.handle(event, at: now) else { return }
        for effect in effects { carryOut(effect) }
    }

    private func carryOut(_ effect: SlotCore.Effect) {
        switch effect {
        case .seal(let n, let previousCRC): seal(n, previousCRC: previousCRC)
        case .put(let n, let delay): put(n, after: delay)
        case .commit(let head, let own, let revision): commit(head, own: own, revision: revision)
        case .readBack(let delay): readBack(after: delay)
        case .apply(let n, let delay): apply(n, after: delay)
        case .pinned(let n): pin(at: n)
        case .acknowledge(let n): acknowledge(n)
        case .wake(let time):
            let delay = max(.zero, time - now)
            start { [mailbox] in
                try? await Task.sleep(for: delay)
                mailbox.post(.core(.tick))
            }
        case .fenced:
            world.logger.warning("Slot has another owner", metadata: ["slot": "\(slot)"])
            world.metrics.fenced.increment()
            phase = .fenced
            end()
        }
    }

    private func seal(_ n: LogIndex, previousCRC: UInt32) {
        let content = open
        open = OpenObject()
        do throws(TidegateError) {
            let frozen = try LogObjectWriter.freeze(
                slot: slot, epoch: core?.epoch ?? 0, n: n, previousCRC: previousCRC,
                sections: content.sections.map { ($0.gateway, $0.entries) }, capacity: content.bytes)
            sealed[n] = SealedObject(content: content, frozen: frozen)
            lastSealed = n
            step(.sealed(n, length: frozen.bytes.count, crc: frozen.crc))
        } catch {
            world.logger.critical("Log object cannot be written", metadata: ["slot": "\(slot)", "error": "\(error)"])
            open = content
            phase = .fenced
            end()
        }
    }

    private func put(_ n: LogIndex, after delay: Duration) {
        guard let object = sealed[n] else { return }
        let key = world.keys.logObject(slot, epoch: core?.epoch ?? 0, n: n)
        let bytes = object.frozen.bytes
        start { [mailbox, world] in
            do throws(TidegateError) {
                if delay > .zero { try? await Task.sleep(for: delay) }
                FaultPoint.beforePut.reached()
                try await world.store.put(bytes, at: key)
                FaultPoint.afterPut.reached()
                mailbox.post(.core(.stored(n)))
            } catch {
                world.logger.warning("Log object not stored, trying again", metadata: ["error": "\(error)"])
                mailbox.post(.core(.storeFailed(n)))
            }
        }
    }

    private func commit(_ head: SlotHead, own: Revision, revision: Revision) {
        start { [mailbox, world, slot] in
            let keys = world.keys
            guard let value = try? DocumentCoding.encode(head) else {
                return mailbox.post(.core(.notCommitted(head.n)))
            }
            let answer = await world.committer.commit(
                NodeCommitter.Request(
                    compare: [
                        .modRevision(key: keys.owner(slot), equals: own),
                        .modRevision(key: keys.head(slot), equals: revision),
                    ], put: .put(key: keys.head(slot), value: value)))
            FaultPoint.afterCommit.reached()
            switch answer {
            case .committed(let revision): mailbox.post(.core(.committed(head.n, headRevision: revision)))
            case .unclear: mailbox.post(.core(.notCommitted(head.n)))
            }
        }
    }

    private func readBack(after delay: Duration) {
        start { [mailbox, world, slot] in
            if delay > .zero { try? await Task.sleep(for: delay) }
            do throws(TidegateError) {
                let outcome = try await world.coordination.commit(
                    CoordinationTransaction(read: [world.keys.owner(slot), world.keys.head(slot)]))
                let head: SlotHead? = try outcome.reads[1].map { entry throws(TidegateError) in
                    try DocumentCoding.decode(from: entry)
                }
                mailbox.post(
                    .core(
                        .read(
                            ownRevision: outcome.reads[0]?.modRevision ?? 0, head: head,
                            headRevision: outcome.reads[1]?.modRevision ?? 0)))
            } catch {
                mailbox.post(.core(.readFailed))
            }
        }
    }

    private func apply(_ n: LogIndex, after delay: Duration) {
        guard let object = sealed[n] else { return }
        var index = 0
        var work: [(gateway: GatewayUID, storage: any GatewayStorage, entries: [CommittedEntry])] = []
        for section in object.content.sections {
            guard let storage = rooms[section.gateway]?.storage else {
                index += section.entries.count  // the places of what follows are those of any replay (I9)
                continue
            }
            var entries: [CommittedEntry] = []
            entries.reserveCapacity(section.entries.count)
            for entry in section.entries {
                entries.append(CommittedEntry(lsn: LSN(n: n, index: index), entry: entry))
                index += 1
            }
            work.append((section.gateway, storage, entries))
        }
        let epoch = core?.epoch ?? 0
        start { [mailbox, world, work] in
            if delay > .zero { try? await Task.sleep(for: delay) }
            var live: [(gateway: GatewayUID, rows: Int64)] = []
            do throws(TidegateError) {
                for item in work {
                    live.append((item.gateway, try await item.storage.apply(n: n, epoch: epoch, item.entries)))
                }
                FaultPoint.afterApply.reached()
                mailbox.post(.applied(n, live: live))
            } catch {
                world.logger.error("Log object not applied, trying again", metadata: ["error": "\(error)"])
                mailbox.post(.core(.applyFailed(n)))
            }
        }
    }

    private func applied(_ n: LogIndex, live: [(gateway: GatewayUID, rows: Int64)]) {
        guard phase != .fenced, let object = sealed[n] else { return }
        upkeep?.note(n, crc: object.frozen.crc, gateways: object.content.sections.map(\.gateway))
        for (uid, rows) in live {
            guard let room = rooms[uid], let section = object.content.sections.first(where: { $0.gateway == uid })
            else { continue }
            room.admission.applied(rows: section.rows, live: rows)
            noteForSealing(uid, section.entries)
            for entry in section.entries {
                switch entry {
                case .evict: room.isEvicting = false
                case .gatewayDeleted:
                    upkeep?.note(endOf: uid, at: n)
                    discard(room)
                    collectorStep(.gatewayEnded(uid, n))
                case .record, .skip, .edit, .editRow, .delete, .sealed, .compacted, .collected: continue
                }
            }
        }
        report(object)
        step(.applied(n))
        snapshotStep(.applied(n, bytes: object.frozen.bytes.count))
        for (uid, _) in live { if let room = rooms[uid] { unpark(room) } }
    }

    private func report(_ object: SealedObject) {
        world.metrics.objects.increment()
        world.metrics.bytes.increment(by: Int64(object.frozen.bytes.count))
        world.metrics.rows.increment(by: object.content.sections.reduce(0) { $0 + $1.rows })
        guard let since = object.content.since else { return }
        world.metrics.visible.recordMilliseconds((now - since) / .milliseconds(1))
    }

    private func acknowledge(_ n: LogIndex) {
        guard let object = sealed.removeValue(forKey: n) else { return }
        let position = LogPosition(slot: slot, epoch: core?.epoch ?? 0, n: n)
        for awaited in object.content.awaited { awaited.tracker.settle(awaited.range) }
        for reply in object.content.replies { reply(.success(position)) }
        if !object.content.refusedBodies.isEmpty { collectorStep(.refused(object.content.refusedBodies)) }
    }

    // MARK: - Used by the aspects

    /// Adds an entry to the open object. It becomes visible, and is answered for, when that object is applied.
    func add(_ entry: GatewayEntry, to uid: GatewayUID, bytes: Int, isRow: Bool) {
        open.add(entry, to: uid, bytes: bytes, isRow: isRow, at: now)
        step(.added(bytes: bytes))
    }

    /// Holds back a verdict until everything in flight is applied.
    func settleAfterFlight(_ tracker: DeliveryTracker, _ index: Int) {
        if !open.isEmpty {
            open.awaitCommit(tracker, index)
        } else if let lastSealed, sealed[lastSealed] != nil {
            sealed[lastSealed]?.content.awaitCommit(tracker, index)
        } else {
            tracker.settle(index..<(index + 1))
        }
    }

    func reclaimer() -> @Sendable (String) async -> Void { reclaim }

    /// Nothing in flight will be answered for by this epoch.
    private func end() {
        let objects = sealed.values.map(\.content) + [open]
        sealed = [:]
        open = OpenObject()
        for object in objects {
            for awaited in object.awaited { awaited.tracker.settle(awaited.range, as: .moved) }
            for reply in object.replies { reply(.failure(Self.moved(slot))) }
        }
        for room in rooms.values { release(room, as: .moved, error: Self.moved(slot)) }
    }

    static func moved(_ slot: SlotID) -> TidegateError {
        TidegateError(.notOwner, "The slot \(slot) is not served here any more.")
    }
}
