internal import TidegateCore

/// Moving rows between an account's free part and a gateway's allowance (protocol §9), as `AllowanceKeeper` does.
extension SlotShell {
    struct Picture {
        var account: AccountDocument
        var accountRevision: Revision
        var allowance: Int64
        var quotaRevision: Revision
        var registration: Registration
    }

    func askAhead(_ room: Room) {
        guard phase == .serving, !room.isMovingRows,
            room.allowance.shouldAskAhead(room: room.admission.room, at: node.local)
        else { return }
        ask(room)
    }

    func ask(_ room: Room) {
        room.isMovingRows = true
        request(room, known: room.admission.allowance, attempts: 8, hasReclaimed: false)
    }

    private func request(_ room: Room, known: Int64, attempts: Int, hasReclaimed: Bool) {
        guard attempts > 0 else { return answered(room, nil) }
        picture(room) { [self] picture in
            guard let picture else { return answered(room, nil) }
            if picture.allowance > known {
                // A return whose outcome nobody knew may still be on its way: writing the same again ends it.
                return write(picture, 0, room) { [self] didHappen in
                    if didHappen {
                        world.cover(.allowanceSettled)
                        return answered(room, picture, granted: picture.allowance - known)
                    }
                    request(room, known: known, attempts: attempts - 1, hasReclaimed: hasReclaimed)
                }
            }
            let free = picture.account.entitlements.rowsPerAccount.map { max(0, $0 - picture.account.allocated) }
            let rows = AllowanceCore.grant(
                accountFree: free, gatewayFree: picture.registration.cap.map { max(0, $0 - picture.allowance) },
                active: picture.account.gatewayCount, rate: room.allowance.rate, settings: world.settings.allowance)
            if rows == 0 {
                guard free == 0, !hasReclaimed else { return answered(room, picture, granted: 0) }
                reclaim(picture.registration.name.account)
                return world.after(300_000, of: node) { [self] in
                    request(room, known: known, attempts: attempts - 1, hasReclaimed: true)
                }
            }
            write(picture, rows, room) { [self] didHappen in
                guard didHappen else {
                    return request(room, known: known, attempts: attempts - 1, hasReclaimed: hasReclaimed)
                }
                var after = picture
                after.allowance += rows
                answered(room, after, granted: rows)
            }
        }
    }

    private func answered(_ room: Room, _ picture: Picture?, granted: Int64? = nil) {
        room.isMovingRows = false
        if let picture {
            room.registration = picture.registration
            room.admission.cap = picture.registration.cap
            room.admission.raise(allowance: picture.allowance)
            if granted == 0 { world.cover(.allowanceRefused) }
            room.allowance.answered(granted: granted, at: node.local)
        } else {
            room.allowance.answered(granted: nil, at: node.local)
            room.release(as: .later(after: .milliseconds(100), reason: .unavailable))
        }
        unpark(room)
    }

    /// Asks every owner for what gateways of `account` hold and do not use.
    private func reclaim(_ account: String) {
        for node in world.nodes {
            world.network.send(from: self.node.index, to: node.index) {
                for slot in node.hosts.keys.sorted() { node.hosts[slot]?.giveBack(account) }
            }
        }
        guard world.mutant == .mgrreclaim else { return }
        for uid in world.tenants.allowances.keys.sorted() { takeAway(uid, account) }
    }

    /// The manager's own hand, behind the owner's back: what the mutant does.
    private func takeAway(_ uid: GatewayUID, _ account: String) {
        guard let name = world.tenants.known[uid], name.account == account else { return }
        let room = Room(uid, world.settings)
        room.registration = Registration(name: name, cap: nil, deletesOldest: false)
        let live = Int64(world.oracle.gateways[uid]?.live ?? 0)
        picture(room, isFenced: false) { [self] picture in
            guard let picture, picture.allowance > live else { return }
            write(picture, live - picture.allowance, room, isFenced: false) { _ in }
        }
    }

    func giveBack(_ account: String) {
        guard phase == .serving else { return }
        for uid in rooms.keys.sorted() {
            guard let room = rooms[uid], room.state == .open, !room.isMovingRows,
                room.registration?.name.account == account
            else { continue }
            giveBack(room)
        }
    }

    func giveBack(_ room: Room) {
        // Local first, the store after: between the two, less is used than is held (A15).
        var target: Int64
        if world.mutant == .lazylocal {
            target = room.admission.live + room.admission.inFlight
            guard target < room.admission.allowance else { return }
        } else {
            guard room.admission.giveBack(.max) > 0 else { return }
            target = room.admission.allowance
        }
        if world.mutant == .noinflight { target = room.admission.live }
        room.isMovingRows = true
        shrink(room, to: target, attempts: 8)
    }

    private func shrink(_ room: Room, to target: Int64, attempts: Int) {
        let done = { [self] in
            room.isMovingRows = false
            if world.mutant == .lazylocal { _ = room.admission.giveBack(room.admission.allowance - target) }
            unpark(room)
        }
        guard attempts > 0 else { return done() }
        picture(room) { [self] picture in
            guard let picture, picture.allowance > target else { return done() }
            write(picture, target - picture.allowance, room) { [self] didHappen in
                didHappen ? done() : shrink(room, to: target, attempts: attempts - 1)
            }
        }
    }

    // MARK: - The documents

    private func picture(_ room: Room, isFenced: Bool = true, then: @escaping (Picture?) -> Void) {
        guard let name = room.registration?.name else { return then(nil) }
        let keys = world.keys
        let read = CoordinationTransaction(
            read: [
                keys.owner(id), keys.account(name.account), keys.quota(name.account, room.uid),
                keys.gateway(name.account, name.gateway),
            ])
        world.coordination.commit(read, from: node) { [self] answer in
            guard case .outcome(let outcome) = answer else { return then(nil) }
            if isFenced, world.mutant != .unfenced, outcome.reads[0]?.modRevision != fence { return then(nil) }
            guard let account = outcome.reads[1],
                let document: AccountDocument = try? DocumentCoding.decode(from: account),
                let registration = Self.registration(room.uid, name, document, outcome.reads[3])
            else { return then(nil) }
            let quota: QuotaDocument? = outcome.reads[2].flatMap { try? DocumentCoding.decode(from: $0) }
            then(
                Picture(
                    account: document, accountRevision: account.modRevision, allowance: quota?.allowance ?? 0,
                    quotaRevision: outcome.reads[2]?.modRevision ?? 0, registration: registration))
        }
    }

    private func write(
        _ picture: Picture, _ change: Int64, _ room: Room, isFenced: Bool = true, then: @escaping (Bool) -> Void
    ) {
        guard let name = room.registration?.name else { return then(false) }
        var account = picture.account
        account.allocated = max(0, account.allocated + change)
        let keys = world.keys
        let quotaKey = keys.quota(name.account, room.uid)
        guard let value = try? DocumentCoding.encode(account),
            let quota = try? DocumentCoding.encode(QuotaDocument(allowance: picture.allowance + change))
        else { return then(false) }
        var compare: [CoordinationTransaction.Comparison] = [
            .modRevision(key: keys.account(name.account), equals: picture.accountRevision),
            .modRevision(key: quotaKey, equals: picture.quotaRevision),
        ]
        if isFenced, world.mutant != .unfenced { compare.append(.modRevision(key: keys.owner(id), equals: fence)) }
        let transaction = CoordinationTransaction(
            compare: compare,
            then: [.put(key: keys.account(name.account), value: value), .put(key: quotaKey, value: quota)])
        world.coordination.commit(transaction, from: node) { [world] answer in
            guard case .outcome(let outcome) = answer else { return then(false) }
            if outcome.succeeded, change < 0 { world.cover(.allowanceReturned) }
            then(outcome.succeeded)
        }
    }

    static func registration(
        _ uid: GatewayUID, _ name: Tenants.Name, _ account: AccountDocument, _ gateway: KeyValue?
    ) -> Registration? {
        guard let gateway, let document: GatewayDocument = try? DocumentCoding.decode(from: gateway),
            document.uid == uid.description
        else { return nil }
        let caps = [account.entitlements.rowsPerGateway, document.settings.logManagement.map(Int64.init)]
        return Registration(
            name: name, cap: caps.compactMap { $0 }.min(),
            deletesOldest: document.settings.logManagementStrategy != .stopInserting,
            isEnding: document.state == .deleting)
    }
}
