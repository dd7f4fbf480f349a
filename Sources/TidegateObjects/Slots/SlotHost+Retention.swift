internal import Logging
internal import TidegateCore

/// Rows go when they reach their gateway's age. The owner sweeps over all gateways of the slot, also those that nobody asks
/// for; what goes is an entry by effect, so that replays read no clock.
extension SlotHost {
    /// Deletions of one gateway in one sweep: the next one goes on.
    private static let turnsMax = 64

    func sweepForRetention() {
        guard phase == .serving || phase == .starting else { return }
        let isTrusted = retention.begin(wallMs: world.clock.milliseconds(), at: now)
        let known = Set(rooms.keys).union(storages.keys).union(upkeep?.items.keys.map { $0 } ?? [])
        let core = retention
        start { [self] in
            for uid in isTrusted ? known.sorted() : [] {
                guard !Task.isCancelled else { return }
                do { try await retain(uid, core) } catch {
                    // Gone, or somebody else's by now; else the next sweep comes to it.
                    world.logger.debug("Old rows left", metadata: ["gateway": "\(uid)", "error": "\(error)"])
                }
            }
            guard (try? await Task.sleep(for: world.settings.retention.interval)) != nil else { return }
            mailbox.post(.retentionTick)
        }
    }

    /// The setting is read anew each time: a change that was not heard of must not cost rows.
    private nonisolated func retain(_ uid: GatewayUID, _ core: RetentionCore) async throws {
        guard let registration = try await world.registry.lookup(uid), !registration.isEnding,
            let days = registration.retentionDays,
            let limit = core.limit(days: days, wallMs: world.clock.milliseconds())
        else { return }
        let storage = try await reading(uid).0
        for _ in 0..<Self.turnsMax {
            guard let aged = try await storage.agedRows(limit) else { return }
            if let through = aged.through { _ = try await append(.evict(through: through), to: uid) }
            if !aged.rows.isEmpty { _ = try await append(.delete(lsns: aged.rows), to: uid) }
            world.logger.info("Rows reached their age", metadata: ["gateway": "\(uid)", "days": "\(days)"])
            guard aged.isMore else { return }
        }
    }
}
