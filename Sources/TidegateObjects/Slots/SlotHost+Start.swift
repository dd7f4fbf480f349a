internal import Logging
internal import TidegateCore

/// Claim and recovery (protocol §5).
extension SlotHost {
    /// Becomes the owner and replays what the snapshot does not hold. Afterwards everything committed is applied.
    /// - Parameter seen: as `SlotKeeper.claim` has it.
    func claimAndRecover(seen: Epoch? = nil) async throws(TidegateError) {
        let outcome: SlotClaimer.Outcome
        do {
            outcome = try await SlotClaimer(slot, world: world, seen: seen).run(into: self)
        } catch {
            throw (error as? TidegateError)
                ?? TidegateError(.internalError, "The claim of \(slot) was given up.", cause: error)
        }
        let claimed = outcome.claimed
        fence = claimed.fence
        minReader = claimed.claim.minReader
        core = SlotCore(
            epoch: claimed.claim.epoch, ownRevision: claimed.fence, head: claimed.claim.head,
            headRevision: claimed.claim.headRevision, settings: world.settings.slot)
        startUpkeep(claimed)
        phase = .serving
        world.logger.info(
            "Slot owned",
            metadata: [
                "slot": "\(slot)", "epoch": "\(claimed.claim.epoch)", "n": "\(claimed.claim.head?.n ?? 0)",
                "replayed": "\(claimed.replayed)",
            ])
    }
}

extension SlotHost: SlotClaimer.Target {
    func start(from manifest: SnapshotManifest?) { upkeep = SlotUpkeep(manifest) }

    func replay(_ object: LogObject) async throws(TidegateError) {
        for section in object.sections {
            for committed in section.entries {
                if case .gatewayDeleted = committed.entry { upkeep?.note(endOf: section.gateway, at: object.n) }
            }
            // What its database holds already, it passes over.
            guard let storage = try await recovering(section.gateway) else { continue }
            _ = try await storage.apply(n: object.n, epoch: object.epoch, section.entries)
            FaultPoint.duringReplay.reached()
        }
        upkeep?.note(object.n, crc: object.crc, gateways: object.sections.map(\.gateway))
    }

    /// - Returns: `nil` for a gateway that is gone, whose entries nobody will ever read.
    private func recovering(_ uid: GatewayUID) async throws(TidegateError) -> (any GatewayStorage)? {
        if let storage = storages[uid] { return storage }
        if upkeep?.absent.contains(uid) ?? false { return nil }
        guard try await world.registry.lookup(uid) != nil else {
            upkeep?.absent.insert(uid)
            return nil
        }
        let storage = try await world.storage.open(uid, slot: slot, from: upkeep?.items[uid])
        storages[uid] = storage
        return storage
    }
}
