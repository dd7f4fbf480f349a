internal import Logging
internal import TidegateCore

/// Claim and recovery (protocol §5).
extension SlotHost {
    /// Becomes the owner and replays the log. Afterwards everything committed is applied.
    func claimAndRecover() async throws(TidegateError) {
        let (claim, fence) = try await claim()
        self.fence = fence
        let recovery = SlotRecovery(
            claim: claim, store: world.store, keys: world.keys, readsMax: world.settings.recoveryReadsMax)
        var applied: [GatewayUID: LogIndex?] = [:]
        try await recovery.replay { object throws(TidegateError) in
            for section in object.sections {
                if applied[section.gateway] == nil { applied[section.gateway] = try await recovering(section.gateway) }
                guard let mark = applied[section.gateway] ?? nil, mark < object.n,
                    let storage = storages[section.gateway]
                else { continue }
                _ = try await storage.apply(n: object.n, epoch: object.epoch, section.entries)
            }
        }
        core = SlotCore(
            epoch: claim.epoch, ownRevision: fence, head: claim.head, headRevision: claim.headRevision,
            settings: world.settings.slot)
        phase = .serving
        world.logger.info(
            "Slot owned",
            metadata: ["slot": "\(slot)", "epoch": "\(claim.epoch)", "n": "\(claim.head?.n ?? 0)"])
    }

    /// - Returns: up to where the gateway's database is applied; `nil` for a gateway that is gone, whose entries nobody
    ///   will ever read.
    private func recovering(_ uid: GatewayUID) async throws(TidegateError) -> LogIndex? {
        guard try await world.registry.lookup(uid) != nil else { return .some(nil) ?? nil }
        let storage = try await world.storage.open(uid, slot: slot)
        storages[uid] = storage
        return try await storage.state().appliedN
    }

    private func claim() async throws(TidegateError) -> (SlotClaim, Revision) {
        let store = world.coordination
        while true {
            let reads = try await store.commit(SlotClaim.reading(slot, keys: world.keys)).reads
            let claim = try SlotClaim(
                slot, keys: world.keys, reads: reads, incarnation: world.incarnation,
                nowMs: world.clock.milliseconds())
            do throws(TidegateError) {
                let outcome = try await store.commit(claim.transaction)
                if outcome.succeeded { return (claim, outcome.revision) }
            } catch {
                guard error.code == .unknownOutcome else { throw error }
            }
            // Compare-failed or unclear: it may be mine all the same (A4).
            if let fence = try claim.fence(in: try await store.get(world.keys.owner(slot))) { return (claim, fence) }
        }
    }
}
