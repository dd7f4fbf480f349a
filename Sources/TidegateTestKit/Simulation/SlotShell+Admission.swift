internal import TidegateCore

/// Letting records in (protocol §4.5), as `SlotHost+Admission` does.
extension SlotShell {
    func receive(_ batch: SimulatedBatch, _ reply: @escaping ([RecordVerdict]) -> Void) {
        admit(Parked(delivery: Delivery(batch, reply)))
    }

    func unpark(_ room: Room) {
        let parked = room.parked
        room.parked = []
        for item in parked { admit(item) }
    }

    func admit(_ item: Parked) {
        var item = item
        let batch = item.delivery.batch
        switch phase {
        case .serving: break
        case .claiming, .releasing:
            return item.settleRest(as: .later(after: .milliseconds(100), reason: .recovering))
        case .ended: return item.settleRest(as: .moved)
        }
        let room = room(target(of: batch.gateway))
        switch room.state {
        case .gone: return item.settleRest(as: .gone)
        case .opening: return room.parked.append(item)
        case .open: break
        }
        guard !room.isDeleting else {
            return item.settleRest(as: .later(after: .milliseconds(100), reason: .unavailable))
        }
        guard room.parked.isEmpty else { return room.parked.append(item) }
        loop: while item.next < batch.ids.count, phase == .serving {
            switch admitNext(&item, room) {
            case .next: continue
            case .park:
                room.parked.append(item)
                break loop
            case .rest(let verdict):
                item.settleRest(as: verdict)
                break loop
            }
        }
        askAhead(room)
    }

    private func target(of uid: GatewayUID) -> GatewayUID {
        guard world.mutant == .rowbyname, let name = world.tenants.known[uid], let now = node.view.gateways[name],
            world.slot(of: now) == slot
        else { return uid }
        return now
    }

    enum Step {
        case next, park
        case rest(RecordVerdict)
    }

    private func admitNext(_ item: inout Parked, _ room: Room) -> Step {
        let batch = item.delivery.batch
        let sequence = batch.first + UInt64(item.next)
        let id = batch.ids[item.next]
        var decision = room.admission.admit(batch.stream, sequence: sequence, id: id)
        if decision == .noRoom {
            if let stop = makeRoom(room, waiting: item.rest) { return stop }
            decision = room.admission.admit(batch.stream, sequence: sequence, id: id, refusal: .quota)
        }
        if decision == .duplicate, world.mutant == .nodedup { decision = .append }
        let entry = SimulatedEntry.record(stream: batch.stream, sequence: sequence, id: id)
        switch decision {
        case .append:
            room.allowance.admitted(1)
            commit(entry, item, .committed, room)
        case .skip(let reason):
            let skip = SimulatedEntry.skip(stream: batch.stream, sequence: sequence, id: id, reason: reason)
            commit(skip, item, .permanent(reason), room)
            if world.mutant == .permanentearly { item.delivery.settle(item.next) }
        case .duplicate:
            item.delivery.expect(.duplicate, at: item.next)
            settleAfterFlight(item.delivery, item.next)
        case .expected(let sequence):
            world.cover(.gap)
            return .rest(.expected(sequence: sequence))
        case .fork: return .rest(.fork)
        case .noRoom: return .rest(.later(after: .milliseconds(100), reason: .allowance))
        }
        item.next += 1
        return .next
    }

    private func commit(_ entry: SimulatedEntry, _ item: Parked, _ verdict: RecordVerdict, _ room: Room) {
        item.delivery.expect(verdict, at: item.next)
        open.awaited.append(OpenBlock.Awaited(delivery: item.delivery, index: item.next))
        add(entry, to: room.uid)
    }

    // MARK: - Room for rows

    private func makeRoom(_ room: Room, waiting: Int) -> Step? {
        if room.isMovingRows || room.isEvicting { return .park }
        switch room.allowance.starved(at: node.local) {
        case .ask:
            ask(room)
            return .park
        case .wait: return .park
        case .later(let delay): return .rest(.later(after: delay, reason: .allowance))
        case .full:
            guard room.registration?.deletesOldest ?? false else { return nil }
            return makeRoomByEviction(room, waiting: waiting)
        }
    }

    private func makeRoomByEviction(_ room: Room, waiting: Int) -> Step? {
        guard room.admission.live > 0, !room.hasNothingToEvict else {
            room.hasNothingToEvict = false
            return room.admission.inFlight > 0 ? .park : nil
        }
        let excess = room.admission.live + room.admission.inFlight - room.admission.limit
        let ahead = min(Int64(waiting), max(room.admission.live / 10, 1))
        let count = min(room.admission.live, max(excess + ahead, 1))
        room.isEvicting = true
        world.after(world.between(500, 30_000), of: node) { [self] in
            guard phase == .serving, room.state == .open, !room.isDeleting,
                let last = images[room.uid]?.oldest(Int(count))
            else {
                room.isEvicting = false
                room.hasNothingToEvict = true
                return unpark(room)
            }
            add(.evict(through: last), to: room.uid)
        }
        return .park
    }
}
