internal import CoreMetrics
internal import Logging
internal import TidegateCore

enum SealingEvent: Sendable {
    /// Time to look at all gateways with sealed rows.
    case tick
    case observed(GatewayUID, SealingState)
    /// A look that failed.
    case unknown(GatewayUID)
    case finished(GatewayUID, succeeded: Bool)
    /// Nothing is left of what a seal made superfluous, or it has to wait.
    case tidied(GatewayUID)
}

/// What a slot's owner knows of its gateways' seals. Belongs to the slot's actor.
final class SlotSealing {
    var cores: [GatewayUID: SealCore] = [:]
    /// Rows and changes since the last look.
    var news: [GatewayUID: Int64] = [:]
    var looking: Set<GatewayUID> = []
    /// Gateways that have segments.
    var watched: Set<GatewayUID> = []
    /// Whose sealed rows are being taken out of the database; `true` when there may be more by now.
    var tidying: [GatewayUID: Bool] = [:]
    /// Gateways whose left-over objects were looked for.
    var swept: Set<GatewayUID> = []
}

/// Sealing rows and rewriting segments (protocol §7). The slot's log goes on meanwhile: the entry that ends the work is one
/// like any other, and one that came too late for its segments changes nothing.
extension SlotHost {
    /// A change to sealed rows weighs as many rows as make a look due: it is rare, and its clock (A37) starts at the look.
    func noteForSealing(_ uid: GatewayUID, _ entries: [GatewayEntry]) {
        var weight: Int64 = 0
        for entry in entries {
            switch entry {
            case .record: weight += 1
            case .delete, .editRow, .edit: if sealing.watched.contains(uid) { weight += world.settings.sealLookRows }
            case .sealed: tidy(uid)
            case .skip, .evict, .gatewayDeleted, .compacted, .collected: continue
            }
        }
        guard weight > 0 else { return }
        sealing.news[uid, default: 0] += weight
        if sealing.news[uid, default: 0] >= world.settings.sealLookRows { look(at: uid) }
    }

    func sealingStep(_ event: SealingEvent) {
        guard phase == .serving || phase == .starting else { return }
        switch event {
        case .tick:
            for uid in sealing.watched { look(at: uid) }
            start { [mailbox, world] in
                guard (try? await Task.sleep(for: world.settings.sealTick)) != nil else { return }
                mailbox.post(.sealing(.tick))
            }
        case .observed(let uid, let state):
            sealing.looking.remove(uid)
            observed(uid, state)
        case .unknown(let uid): sealing.looking.remove(uid)
        case .tidied(let uid): if sealing.tidying.removeValue(forKey: uid) ?? false { tidy(uid) }
        case .finished(let uid, let succeeded):
            sealing.cores[uid]?.finished(succeeded: succeeded, at: now)
            if succeeded { look(at: uid) }
        }
    }

    /// A gateway was opened: what another owner's seals began may have to be ended.
    func attend(to uid: GatewayUID) {
        look(at: uid)
        tidy(uid)
    }

    private static let tidyPause: Duration = .milliseconds(2)

    /// Takes what seals made superfluous out of the database, step by step: rows that come meanwhile wait for one step.
    func tidy(_ uid: GatewayUID) {
        guard let storage = storages[uid] else { return }
        guard sealing.tidying[uid] == nil else { return sealing.tidying[uid] = true }
        sealing.tidying[uid] = false
        start { [mailbox, world] in
            do {
                while try await storage.tidy() { try await Task.sleep(for: Self.tidyPause) }
            } catch is CancellationError {
                return
            } catch {
                world.logger.notice("Sealed rows stay in the database for now", metadata: ["error": "\(error)"])
            }
            mailbox.post(.sealing(.tidied(uid)))
        }
    }

    func look(at uid: GatewayUID) {
        guard rooms[uid]?.state == .open, let storage = storages[uid], sealing.looking.insert(uid).inserted else {
            return
        }
        sealing.news[uid] = 0
        start { [mailbox] in
            do throws(TidegateError) {
                mailbox.post(.sealing(.observed(uid, try await storage.sealingState().state)))
            } catch {
                mailbox.post(.sealing(.unknown(uid)))
            }
        }
    }

    private func observed(_ uid: GatewayUID, _ state: SealingState) {
        guard phase == .serving, let room = rooms[uid], room.state == .open, !room.isDeleting,
            let storage = room.storage, let epoch = core?.epoch
        else { return }
        if state.segments.isEmpty { sealing.watched.remove(uid) } else { sealing.watched.insert(uid) }
        if !state.segments.isEmpty, sealing.swept.insert(uid).inserted { sweep(uid, storage, epoch: epoch) }
        let work = sealing.cores[uid, default: SealCore(settings: world.settings.seal)].observe(state, at: now)
        guard let work else { return }
        let key = world.keys.segment(uid, epoch: epoch, rand: world.mintName())
        let request = SegmentRequest(
            work, key: key, indexesBodies: room.registration?.indexesBodies ?? false)
        let job = SealJob(storage: storage, request: request, world: world)
        start { [mailbox, world] in
            guard let proposal = await job.run() else {
                return mailbox.post(.sealing(.finished(uid, succeeded: false)))
            }
            mailbox.post(
                .append(uid, proposal.entry) { result in
                    world.metrics.segments.increment()
                    let isDone = if case .success = result { true } else { false }
                    mailbox.post(.sealing(.finished(uid, succeeded: isDone)))
                })
        }
    }

    /// Deletes what owners before this one stored and never made part of the log (A12): everything committed is applied by
    /// now, so that what is unknown here is unknown for ever.
    private func sweep(_ uid: GatewayUID, _ storage: any GatewayStorage, epoch: Epoch) {
        let collecting = SlotCollecting(slot: slot, epoch: epoch, fence: fence, world: world)
        start { [world] in
            do throws(TidegateError) {
                var found: [String] = []
                await collecting.list(world.keys.segments(of: uid)) { found += $0 }
                let known = Set(try await storage.segmentObjects())
                let orphans = found.filter { key in
                    guard let written = world.keys.epoch(ofSegment: key, uid) else { return false }
                    return written < epoch && !known.contains(key)
                }
                _ = await collecting.delete(orphans)
            } catch {
                world.logger.notice("Segments not swept", metadata: ["gateway": "\(uid)", "error": "\(error)"])
            }
        }
    }
}

extension SegmentRequest {
    fileprivate var storedPoint: FaultPoint {
        switch work {
        case .seal: .afterSegmentPut
        case .compact: .afterCompactionPut
        }
    }
}

/// Makes and stores one segment.
private final class SealJob: Sendable {
    private let storage: any GatewayStorage
    private let request: SegmentRequest
    private let world: SlotWorld

    init(storage: any GatewayStorage, request: SegmentRequest, world: SlotWorld) {
        (self.storage, self.request, self.world) = (storage, request, world)
    }

    /// What was stored and comes to nothing stays unreferenced until a later epoch's sweep.
    @concurrent func run() async -> SegmentProposal? {
        await world.sealPlaces.enter()
        var proposal: SegmentProposal?
        do {
            proposal = try await storage.propose(request)
            if proposal != nil { request.storedPoint.reached() }
        } catch {
            world.logger.notice("Rows not sealed, trying again", metadata: ["error": "\(error)"])
        }
        await world.sealPlaces.leave()
        return proposal
    }
}
