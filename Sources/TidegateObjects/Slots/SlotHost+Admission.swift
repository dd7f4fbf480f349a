internal import CoreMetrics
internal import Logging
internal import TidegateCore

/// Letting records in (protocol §4.5, §9).
extension SlotHost {
    func unpark(_ room: GatewayRoom) {
        let parked = room.parked
        room.parked = []
        for item in parked { admit(item) }
    }

    /// Decides the records of a batch in order, as far as that is possible now; parks the rest or tells it to come later.
    func admit(_ item: ParkedBatch) {
        var item = item
        switch phase {
        case .serving: break
        case .starting, .draining, .leaving:
            let delay = world.settings.overloadedDelay
            return item.tracker.settle(item.rest, as: .later(after: delay, reason: .recovering))
        case .fenced, .stopped: return item.tracker.settle(item.rest, as: .moved)
        }
        let room = room(item.batch.gateway)
        switch room.state {
        case .gone: return item.tracker.settle(item.rest, as: .gone)
        case .opening: return room.parked.append(item)
        case .open: break
        }
        guard !room.isDeleting else {
            return item.tracker.settle(
                item.rest, as: .later(after: world.settings.overloadedDelay, reason: .unavailable))
        }
        guard room.parked.isEmpty else { return room.parked.append(item) }
        let receivedAtMs = world.clock.milliseconds()
        while item.next < item.batch.records.count {
            guard let verdict = admitNext(&item, room, receivedAtMs: receivedAtMs) else { continue }
            switch verdict {
            case .park: room.parked.append(item)
            case .rest(let verdict): item.tracker.settle(item.rest, as: verdict)
            }
            break
        }
        askAhead(room)
    }

    private enum Stop {
        case park
        case rest(RecordVerdict)
    }

    /// Decides one record. `nil` goes on with the next.
    private func admitNext(_ item: inout ParkedBatch, _ room: GatewayRoom, receivedAtMs: Int64) -> Stop? {
        let payload = item.batch.records[item.next]
        let weight = payload.count + 64
        guard core?.hasRoom(for: weight) ?? false, !open.isFull else {
            return .rest(.later(after: world.settings.overloadedDelay, reason: .overloaded))
        }
        let stream = item.batch.stream
        let (sequence, overflow) = item.batch.firstSequence.addingReportingOverflow(UInt64(item.next))
        let names = try? LogRecord.names(encoded: payload)
        let isValid = names?.gateway == room.uid && !overflow && sequence > 0
        let id = names?.id ?? RecordID(bits: 0)
        var decision = room.admission.admit(stream, sequence: sequence, id: id, refusal: isValid ? nil : .invalid)
        if decision == .noRoom {
            if let stop = makeRoom(room, waiting: item.rest.count) { return stop }
            decision = room.admission.admit(stream, sequence: sequence, id: id, refusal: .quota)
        }
        switch decision {
        case .append:
            room.allowance.admitted(1)
            commit(
                .record(stream: stream, sequence: sequence, id: id, receivedAtMs: receivedAtMs, payload: payload),
                item, .committed, weight: weight, isRow: true)
        case .skip(let reason):
            world.metrics.skipped.increment()
            // Its bodies may be there already: once the refusal is committed, no row will ever name them (A34).
            let record = try? LogRecord(encoded: payload)
            for key in [record?.requestObject ?? "", record?.responseObject ?? ""] where !key.isEmpty {
                if world.keys.bodyPlace(key)?.gateway == room.uid { open.refuse(body: key) }
            }
            commit(
                .skip(stream: stream, sequence: sequence, id: id, reason: reason), item, .permanent(reason),
                weight: 64, isRow: false)
        case .duplicate:
            item.tracker.expect(.duplicate, at: item.next)
            settleAfterFlight(item.tracker, item.next)
        case .expected(let sequence): return .rest(.expected(sequence: sequence))
        case .fork: return .rest(.fork)
        case .noRoom: return .rest(.later(after: world.settings.overloadedDelay, reason: .allowance))
        }
        item.next += 1
        return nil
    }

    private func commit(
        _ entry: GatewayEntry, _ item: ParkedBatch, _ verdict: RecordVerdict, weight: Int, isRow: Bool
    ) {
        item.tracker.expect(verdict, at: item.next)
        // Before `add`, which may seal the object that holds the entry.
        open.awaitCommit(item.tracker, item.next)
        add(entry, to: item.batch.gateway, bytes: weight, isRow: isRow)
    }

    // MARK: - Room for rows

    /// - Returns: `nil` when the cap is truly reached and the gateway refuses rows there.
    private func makeRoom(_ room: GatewayRoom, waiting: Int) -> Stop? {
        if room.isMovingRows || room.isEvicting { return .park }
        switch room.allowance.starved(at: now) {
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

    private func makeRoomByEviction(_ room: GatewayRoom, waiting: Int) -> Stop? {
        guard room.admission.live > 0, !room.hasNothingToEvict, let storage = room.storage else {
            room.hasNothingToEvict = false
            return room.admission.inFlight > 0 ? .park : nil  // what is in flight can be evicted once it is applied
        }
        let share = Double(room.admission.limit) * world.settings.evictionShare
        let excess = room.admission.live + room.admission.inFlight - room.admission.limit
        // Rows go before their successors come: a tenth at a time, so that readers never find the log all but empty.
        let ahead = min(Int64(waiting), max(room.admission.live / 10, 1))
        let count = min(room.admission.live, max(excess + ahead, Int64(share), 1))
        room.isEvicting = true
        start { [mailbox, world, uid = room.uid] in
            do throws(TidegateError) {
                mailbox.post(.evict(uid, through: try await storage.oldest(Int(count))))
            } catch {
                world.logger.warning("Oldest rows not found", metadata: ["error": "\(error)"])
                mailbox.post(.evict(uid, through: nil))
            }
        }
        return .park
    }

    func evict(_ uid: GatewayUID, through lsn: UInt64?) {
        guard let room = rooms[uid], room.isEvicting else { return }
        guard let lsn, phase == .serving, room.state == .open, !room.isDeleting else {
            room.isEvicting = false
            room.hasNothingToEvict = true
            return unpark(room)
        }
        add(.evict(through: lsn), to: uid, bytes: 64, isRow: false)
    }

    private func askAhead(_ room: GatewayRoom) {
        guard !room.isMovingRows, room.allowance.shouldAskAhead(room: room.admission.room, at: now) else { return }
        ask(room)
    }

    private func ask(_ room: GatewayRoom) {
        guard let registration = room.registration else { return }
        room.isMovingRows = true
        let (known, rate, fence, uid) = (room.admission.allowance, room.allowance.rate, fence, room.uid)
        start { [mailbox, keeper, slot, reclaim = reclaimer()] in
            do throws(TidegateError) {
                let answer = try await keeper.request(
                    uid, of: registration, slot: slot, fence: fence, known: known, rate: rate, reclaim: reclaim)
                mailbox.post(.allowance(uid, .success(answer)))
            } catch {
                mailbox.post(.allowance(uid, .failure(error)))
            }
        }
    }

    func allowanceAnswered(_ uid: GatewayUID, _ result: Result<AllowanceAnswer, TidegateError>) {
        guard let room = rooms[uid] else { return }
        room.isMovingRows = false
        switch result {
        case .success(let answer):
            room.registration = answer.registration
            room.admission.cap = answer.registration.cap
            room.admission.raise(allowance: answer.allowance)
            room.allowance.answered(granted: answer.granted, at: now)
        case .failure(let error):
            room.allowance.answered(granted: nil, at: now)
            world.logger.warning("No rows granted", metadata: ["slot": "\(slot)", "error": "\(error)"])
            let verdict = RecordVerdict.later(after: world.settings.overloadedDelay, reason: .unavailable)
            let parked = room.parked
            room.parked = []
            for item in parked { item.tracker.settle(item.rest, as: verdict) }
        }
        unpark(room)
    }

    /// Returns what the gateways of `account` hold and do not use.
    func giveBack(_ account: String, done: @escaping @Sendable () -> Void) {
        var returns: [(uid: GatewayUID, registration: GatewayRegistration, rows: Int64, allowance: Int64)] = []
        for room in rooms.values where room.state == .open && !room.isMovingRows {
            guard let registration = room.registration, registration.account == account else { continue }
            // Local first, the store after: between the two, less is used than is held (A15).
            let rows = room.admission.giveBack(.max)
            guard rows > 0 else { continue }
            room.isMovingRows = true
            returns.append((room.uid, registration, rows, room.admission.allowance))
        }
        start { [mailbox, keeper, slot, fence, returns] in
            for item in returns {
                try? await keeper.giveBack(
                    item.rows, item.uid, of: item.registration, slot: slot, fence: fence, keeping: item.allowance)
                mailbox.post(.gaveBack(item.uid))
            }
            done()
        }
    }
}
