internal import TidegateCore

/// Opening, editing and deleting gateways, and reading them.
extension SlotShell {
    func room(_ uid: GatewayUID) -> Room {
        if let room = rooms[uid] { return room }
        let room = Room(uid, world.settings)
        rooms[uid] = room
        lookUp(room)
        return room
    }

    /// A linearizable read says whose the uid is, and what it may hold (A10).
    private func lookUp(_ room: Room) {
        let keys = world.keys
        let failed = { [self] in
            rooms[room.uid] = nil
            room.release(as: .later(after: .milliseconds(100), reason: .unavailable))
        }
        world.coordination.commit(CoordinationTransaction(read: [keys.gatewayIndex(room.uid)]), from: node) {
            [self] answer in
            guard case .outcome(let outcome) = answer else { return failed() }
            guard outcome.reads[0] != nil, let name = world.tenants.known[room.uid] else { return opened(room, nil) }
            let read = CoordinationTransaction(
                read: [
                    keys.account(name.account), keys.gateway(name.account, name.gateway),
                    keys.quota(name.account, room.uid),
                ])
            world.coordination.commit(read, from: node) { [self] answer in
                guard case .outcome(let outcome) = answer else { return failed() }
                guard let account: AccountDocument = outcome.reads[0].flatMap({ try? DocumentCoding.decode(from: $0) }),
                    let registration = Self.registration(room.uid, name, account, outcome.reads[1])
                else { return opened(room, nil) }
                let quota: QuotaDocument? = outcome.reads[2].flatMap { try? DocumentCoding.decode(from: $0) }
                opened(room, registration, allowance: quota?.allowance ?? 0)
            }
        }
    }

    private func opened(_ room: Room, _ registration: Registration?, allowance: Int64 = 0) {
        guard phase != .ended, room.state == .opening else { return }
        let image = images[room.uid] ?? GatewayImage()
        room.registration = registration
        if registration == nil || image.isDeleted {
            room.state = .gone
            if image.isDeleted { finishDeletion(room.uid) }
        } else {
            room.admission = AdmissionCore(
                live: Int64(image.live), allowance: allowance, cap: registration?.cap,
                marks: image.streams.map { ($0.key, sequence: $0.value.sequence, id: $0.value.id) })
            room.isDeleting = registration?.isEnding ?? false
            room.state = .open
        }
        let waiting = room.waiting
        room.waiting = []
        for action in waiting { action() }
        unpark(room)
    }

    func whenOpen(_ uid: GatewayUID, _ action: @escaping (Room) -> Void) {
        let room = room(uid)
        if room.state == .opening { room.waiting.append { action(room) } } else { action(room) }
    }

    // MARK: - Edits

    /// Feedback for a row. `reply` is told once whether it is committed and applied.
    func edit(_ id: RecordID, of uid: GatewayUID, value: Int, _ reply: @escaping (Bool, LogIndex) -> Void) {
        guard isServing else { return reply(false, 0) }
        whenOpen(uid) { [self] room in
            guard isServing, room.state == .open, !room.isDeleting else { return reply(false, 0) }
            let row = images[uid]?.lsn(of: id, in: world.objects)
            if let row, images[uid]?.hot[row] == nil { world.cover(.sealedEdit) }
            open.replies.append(reply)
            add(row.map { .editRow(lsn: $0, value: value) } ?? .edit(id: id, value: value), to: uid)
        }
    }

    /// Deletes about half of the rows that there are, by effect (A9).
    func deleteSome(of uid: GatewayUID, _ salt: UInt64, _ reply: @escaping (Bool, LogIndex) -> Void) {
        guard isServing else { return reply(false, 0) }
        whenOpen(uid) { [self] room in
            let rows = images[uid]?.rows(world.objects) ?? []
            let lsns = rows.map(\.lsn).filter { mix($0, salt) & 1 == 0 }.sorted()
            guard isServing, room.state == .open, !room.isDeleting, !lsns.isEmpty else { return reply(false, 0) }
            open.replies.append(reply)
            add(.delete(lsns: lsns), to: uid)
        }
    }

    // MARK: - Deletion (protocol §10)

    /// Every owner completes what others left half done: deletions that were asked for, and what the stores have too much.
    func sweep() {
        guard isServing else { return }
        onSlot(.tick)
        onSnapshot(.tick)
        onCollector(.tick)
        for uid in rooms.keys.sorted() { look(at: uid) }
        let keys = world.keys
        let names = world.tenants.names
        let read = CoordinationTransaction(read: names.map { keys.gateway($0.account, $0.gateway) })
        world.coordination.commit(read, from: node) { [self] answer in
            guard case .outcome(let outcome) = answer, isServing else { return }
            for entry in outcome.reads.compactMap({ $0 }) {
                guard let document: GatewayDocument = try? DocumentCoding.decode(from: entry),
                    document.state == .deleting,
                    let uid = GatewayUID(hex: document.uid), world.slot(of: uid) == slot
                else { continue }
                whenOpen(uid) { self.endGateway($0) }
            }
        }
    }

    private func endGateway(_ room: Room) {
        guard isServing else { return }
        switch room.state {
        case .opening: return
        case .gone: if images[room.uid]?.isDeleted == true { finishDeletion(room.uid) }
        case .open:
            guard !room.isEndAppended else { return }
            (room.isDeleting, room.isEndAppended) = (true, true)
            room.release(as: .later(after: .milliseconds(100), reason: .unavailable))
            add(.gatewayDeleted, to: room.uid)
        }
    }

    /// Step 3: the documents, once the deletion is committed. Fenced by `own`.
    func finishDeletion(_ uid: GatewayUID) {
        guard isServing || phase == .releasing, let name = world.tenants.known[uid], let room = rooms[uid],
            !room.isFinishing
        else { return }
        room.isFinishing = true
        let keys = world.keys
        let (accountKey, gatewayKey) = (keys.account(name.account), keys.gateway(name.account, name.gateway))
        let quotaKey = keys.quota(name.account, uid)
        let read = CoordinationTransaction(read: [accountKey, gatewayKey, quotaKey])
        world.coordination.commit(read, from: node) { [self] answer in
            guard case .outcome(let outcome) = answer,
                let transaction = deletion(uid, outcome.reads, keys: [accountKey, gatewayKey, quotaKey])
            else {
                room.isFinishing = false
                return
            }
            world.coordination.commit(transaction, from: node) { answer in
                room.isFinishing = false
                if case .outcome(let outcome) = answer, outcome.succeeded { return }
            }
        }
    }

    private func deletion(_ uid: GatewayUID, _ reads: [KeyValue?], keys names: [String]) -> CoordinationTransaction? {
        guard let account = reads[0], let gateway = reads[1],
            var document: AccountDocument = try? DocumentCoding.decode(from: account),
            let current: GatewayDocument = try? DocumentCoding.decode(from: gateway), current.uid == uid.description
        else { return nil }
        let quota: QuotaDocument? = reads[2].flatMap { try? DocumentCoding.decode(from: $0) }
        document.gatewayCount = max(0, document.gatewayCount - 1)
        if world.mutant != .quotaleak { document.allocated = max(0, document.allocated - (quota?.allowance ?? 0)) }
        let gone = GoneDocument(atMs: node.wallMs, slot: id.description, purged: false)
        guard let value = try? DocumentCoding.encode(document), let goneValue = try? DocumentCoding.encode(gone) else {
            return nil
        }
        return CoordinationTransaction(
            compare: [
                .modRevision(key: world.keys.owner(id), equals: fence),
                .modRevision(key: names[0], equals: account.modRevision),
                .modRevision(key: names[1], equals: gateway.modRevision),
                .modRevision(key: names[2], equals: reads[2]?.modRevision ?? 0),
            ],
            then: [
                .put(key: names[0], value: value), .delete(key: names[1]), .delete(key: world.keys.gatewayIndex(uid)),
                .delete(key: names[2]), .put(key: world.keys.gone(uid), value: goneValue),
            ])
    }

    // MARK: - Reads

    struct Answer {
        var position: LogPosition
        var digest: UInt64
    }

    /// What the gateway's rows are here and now. A strong answer is sent only after the store has said, later than it was
    /// computed, that the slot is still this owner's (A14).
    func read(_ uid: GatewayUID, isStrong: Bool, _ reply: @escaping (Answer?) -> Void) {
        guard isServing, let image = images[uid] else { return reply(nil) }
        guard let rows = image.rows(world.objects) else {
            // To a robbed owner segments vanish that its successor has replaced and collected.
            if world.oracle.slots[slot].ownerRevision != fence { return reply(nil) }
            return world.violate("I12", "\(name) cannot read a segment of gateway \(world.short(uid))")
        }
        let answer = Answer(
            position: LogPosition(slot: id, epoch: epoch ?? 0, n: core?.appliedN ?? 0),
            digest: GatewayImage.digest(of: rows))
        guard isStrong, world.mutant != .staleread else { return reply(answer) }
        world.coordination.commit(CoordinationTransaction(read: [world.keys.owner(id)]), from: node) { [self] outcome in
            guard case .outcome(let outcome) = outcome, outcome.reads[0]?.modRevision == fence else {
                world.cover(.strongReadRefused)
                return reply(nil)
            }
            reply(answer)
        }
    }
}
