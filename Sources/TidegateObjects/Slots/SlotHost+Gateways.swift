internal import Logging
internal import TidegateCore

/// Opening, deleting and reading gateways.
extension SlotHost {
    func room(_ uid: GatewayUID) -> GatewayRoom {
        if let room = rooms[uid] { return room }
        let room = GatewayRoom(uid: uid, settings: world.settings.allowance)
        rooms[uid] = room
        let known = storages[uid]
        let base = upkeep?.items[uid]
        start { [mailbox, world, slot] in
            do throws(TidegateError) {
                mailbox.post(
                    .opened(uid, .success(try await Self.open(uid, known: known, base: base, world: world, slot: slot)))
                )
            } catch {
                mailbox.post(.opened(uid, .failure(error)))
            }
        }
        return room
    }

    private static func open(
        _ uid: GatewayUID, known: (any GatewayStorage)?, base: SnapshotManifest.Item?, world: SlotWorld, slot: SlotID
    ) async throws(TidegateError) -> OpenedGateway? {
        guard let registration = try await world.registry.lookup(uid) else { return nil }
        // Whoever sent it here was wrong about its home: in two slots it would be two gateways.
        guard registration.region.map({ $0 == slot.region }) ?? true else { throw Self.moved(slot) }
        let storage: any GatewayStorage
        if let known { storage = known } else { storage = try await world.storage.open(uid, slot: slot, from: base) }
        // Only this slot's owner changes the quota, and that is us since the claim: this read cannot grow old.
        let quota: QuotaDocument? = try await world.coordination.get(world.keys.quota(registration.account, uid))
            .map { entry throws(TidegateError) in try DocumentCoding.decode(from: entry) }
        return OpenedGateway(
            storage: storage, state: try await storage.state(), registration: registration,
            allowance: quota?.allowance ?? 0)
    }

    func opened(_ uid: GatewayUID, _ result: Result<OpenedGateway?, TidegateError>) {
        guard let room = rooms[uid], room.state == .opening else { return }
        switch result {
        case .success(let opened?):
            storages[uid] = opened.storage
            room.open(opened)
            if opened.state.isDeleted { discard(room) } else { attend(to: uid) }
        case .success(nil): room.state = .gone
        case .failure(let error):
            rooms[uid] = nil
            let delay = world.settings.overloadedDelay
            return release(room, as: .later(after: delay, reason: .unavailable), error: error)
        }
        let (openers, appends) = (room.openers, room.appends)
        (room.openers, room.appends) = ([], [])
        for opener in openers { opener(room.state == .gone ? Self.gone : nil) }
        for (entry, reply) in appends { append(entry, to: uid, reply: reply) }
        unpark(room)
    }

    func whenOpen(_ uid: GatewayUID, _ reply: @escaping @Sendable (TidegateError?) -> Void) {
        guard phase == .serving || phase == .draining else { return reply(Self.moved(slot)) }
        let room = room(uid)
        switch room.state {
        case .opening: room.openers.append(reply)
        case .open: reply(nil)
        case .gone: reply(Self.gone)
        }
    }

    /// Answers everything that waits in `room`.
    func release(_ room: GatewayRoom, as verdict: RecordVerdict, error: TidegateError) {
        let (parked, openers, appends) = (room.parked, room.openers, room.appends)
        (room.parked, room.openers, room.appends) = ([], [], [])
        for item in parked { item.tracker.settle(item.rest, as: verdict) }
        for opener in openers { opener(error) }
        for (_, reply) in appends { reply(.failure(error)) }
    }

    func append(
        _ entry: GatewayEntry, to uid: GatewayUID,
        reply: @escaping @Sendable (Result<LogPosition, TidegateError>) -> Void
    ) {
        guard phase == .serving else { return reply(.failure(Self.moved(slot))) }
        let room = room(uid)
        switch room.state {
        case .opening: room.appends.append((entry, reply))
        case .gone: reply(entry == .gatewayDeleted ? .success(position) : .failure(Self.gone))
        case .open:
            guard !room.isDeleting || entry == .gatewayDeleted else { return reply(.failure(Self.gone)) }
            if entry == .gatewayDeleted { room.isDeleting = true }
            // The reply first: `add` may seal the object that holds the entry.
            open.awaitCommit(reply)
            add(entry, to: uid, bytes: Self.weight(of: entry), isRow: false)
        }
    }

    private static func weight(of entry: GatewayEntry) -> Int {
        switch entry {
        case .delete(let lsns): 64 + lsns.count * 8
        case .edit(_, let patch, _): 64 + ((patch.metadata ?? nil)?.utf8.count ?? 0)
        case .editRow(_, let patch): 64 + ((patch.metadata ?? nil)?.utf8.count ?? 0)
        case .sealed(let segment): 1_024 + segment.runs.count + segment.zone.count + segment.bodyObjects.count * 96
        case .compacted(let replaced, let segments):
            segments.reduce(replaced.count * 96) {
                $0 + 1_024 + $1.runs.count + $1.zone.count + $1.bodyObjects.count * 96
            }
        case .record, .skip, .evict, .gatewayDeleted, .collected: 64
        }
    }

    /// The gateway's deletion is applied: nothing of it will be read or taken again.
    func discard(_ room: GatewayRoom) {
        room.state = .gone
        let storage = room.storage
        room.storage = nil
        storages[room.uid] = nil
        start { [world] in
            do throws(TidegateError) { try await storage?.destroy() } catch {
                world.logger.error("Files of a deleted gateway remain", metadata: ["error": "\(error)"])
            }
        }
    }

    static var gone: TidegateError { TidegateError(.gone, "The gateway is deleted.") }

    /// What a read needs: the database, and the position that its answer is at least as new as.
    func reading(_ uid: GatewayUID) async throws(TidegateError) -> (any GatewayStorage, LogPosition) {
        let error = await withCheckedContinuation { continuation in
            mailbox.post(.open(uid) { continuation.resume(returning: $0) })
        }
        if let error { throw error }
        guard let storage = rooms[uid]?.storage else { throw Self.gone }
        return (storage, position)
    }

    /// Commits and applies an entry.
    nonisolated func append(_ entry: GatewayEntry, to uid: GatewayUID) async throws(TidegateError) -> LogPosition {
        try await withCheckedContinuation { continuation in
            mailbox.post(.append(uid, entry) { continuation.resume(returning: $0) })
        }.get()
    }

    func drain(_ hint: String?) {
        guard phase == .serving else {
            if phase == .starting { phase = .stopped }
            return
        }
        self.hint = hint
        phase = .draining
        let verdict = RecordVerdict.later(after: world.settings.overloadedDelay, reason: .recovering)
        for room in rooms.values { release(room, as: verdict, error: Self.moved(slot)) }
        step(.drain)
    }
}
