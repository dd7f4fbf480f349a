extension SwimCore {
    mutating func runTimers(
        at now: Duration, _ random: inout some RandomNumberGenerator, _ effects: inout [Effect]
    ) {
        if !isLeaving {
            endProbe(at: now, &random, &effects)
            endSuspicions(at: now, &effects)
            if now >= nextProbe { startProbe(at: now, &random, &effects) }
            if now >= nextJoin { join(at: now, &random, &effects) }
        } else {
            (nextProbe, nextJoin) = (now + settings.leaveTime, now + settings.leaveTime)
            probe = nil
        }
        runRelays(at: now, &effects)
        if now >= nextSync {
            nextSync = now + settings.syncInterval
            if let partner = some(1, &random).first, !isLeaving {
                sendTable(wantsAnswer: true, to: partner.profile.gossipAddress, &effects)
            }
            let oldest = now - settings.tombstoneTime
            entries = entries.filter { $0.value.goneAt.map { $0 > oldest } ?? true }
        }
        if now >= nextGossip {
            nextGossip = now + settings.gossipInterval
            if !news.isEmpty {
                for member in some(settings.gossipFanout, &random) {
                    send(.gossip, to: member.profile.gossipAddress, &effects)
                }
            }
        }
        if let due = leftAt, now >= due {
            leftAt = nil
            effects.append(.hasLeft)
        }
    }

    // MARK: Probes

    private mutating func startProbe(
        at now: Duration, _ random: inout some RandomNumberGenerator, _ effects: inout [Effect]
    ) {
        let patience = health + 1
        nextProbe = now + settings.probeInterval * patience
        guard probe == nil, let target = nextTarget(&random) else { return }
        counters.probes += 1
        let number = Self.number(&random)
        probe = Probe(
            number: number, target: target.nodeID, startedAt: now, askOthersAt: now + settings.pingTimeout * patience,
            endsAt: now + settings.probeInterval * patience)
        // A suspect hears of it first of all, so that it can refute (Lifeguard's buddy system).
        let first = target.status == .suspect ? [accusation(of: target)] : []
        send(.ping(number, target: target.nodeID), to: target.profile.gossipAddress, first: first, &effects)
    }

    /// Everybody once a round, in a new order each round.
    private mutating func nextTarget(_ random: inout some RandomNumberGenerator) -> Member? {
        for _ in 0..<2 {
            while let nodeID = round.popLast() {
                if let member = entries[nodeID]?.member, !member.status.isGone { return member }
            }
            round = members.filter { !$0.status.isGone }.map(\.nodeID)
            round.shuffle(using: &random)
        }
        return nil
    }

    private mutating func endProbe(
        at now: Duration, _ random: inout some RandomNumberGenerator, _ effects: inout [Effect]
    ) {
        guard let running = probe else { return }
        guard let target = entries[running.target]?.member, !target.status.isGone else {
            probe = nil
            return
        }
        if let due = running.askOthersAt, now >= due, now < running.endsAt {
            probe?.askOthersAt = nil
            let others = some(settings.indirectProbes, without: [running.target], &random)
            probe?.expectedNacks = others.count
            for other in others {
                send(
                    .pingRequest(running.number, target: target.nodeID, address: target.profile.gossipAddress),
                    to: other.profile.gossipAddress, &effects)
            }
        }
        guard now >= running.endsAt else { return }
        probe = nil
        counters.probesFailed += 1
        // Nacks that did not come either say that the fault may be mine; without helpers nothing can be told.
        let missing = running.expectedNacks == 0 ? 1 : running.expectedNacks - running.nacks
        health = min(settings.healthMax, health + max(0, missing))
        suspect(target, accuser: own.nodeID, at: now, &effects)
    }

    mutating func probeAnswered(_ number: UInt64, at now: Duration) {
        guard let running = probe, running.number == number else { return }
        probe = nil
        lastRoundTrip = now - running.startedAt
        health = max(0, health - 1)
    }

    // MARK: Suspicions

    mutating func suspect(_ member: Member, accuser: String, at now: Duration, _ effects: inout [Effect]) {
        guard var entry = entries[member.nodeID], !entry.member.status.isGone else { return }
        if entry.suspicion != nil, entry.member.incarnation == member.incarnation {
            guard entry.suspicion?.accusers.count ?? 0 <= settings.confirmations,
                entry.suspicion?.accusers.insert(accuser).inserted == true
            else { return }
            entries[member.nodeID] = entry
            news.put(said(of: entry.member, .suspect, by: accuser))  // a confirmation is news of its own
            return
        }
        counters.suspicions += 1
        entry.member.incarnation = member.incarnation
        entry.member.status = .suspect
        entry.suspicion = Suspicion(since: now, accusers: [accuser])
        entries[member.nodeID] = entry
        news.put(said(of: entry.member, .suspect, by: accuser))
        effects.append(.changed(entry.member))
    }

    private mutating func endSuspicions(at now: Duration, _ effects: inout [Effect]) {
        for nodeID in entries.keys.sorted() {
            guard let entry = entries[nodeID], let suspicion = entry.suspicion,
                now >= suspicion.since + timeout(of: suspicion)
            else { continue }
            gone(entry.member, .dead, accuser: own.nodeID, at: now, &effects)
        }
    }

    mutating func gone(
        _ member: Member, _ status: Member.Status, accuser: String?, at now: Duration, _ effects: inout [Effect]
    ) {
        guard var entry = entries[member.nodeID] else { return }
        entry.member.incarnation = member.incarnation
        entry.member.status = status
        entry.suspicion = nil
        entry.goneAt = now
        entries[member.nodeID] = entry
        news.put(said(of: entry.member, status, by: accuser))
        effects.append(.changed(entry.member))
    }

    func accusation(of member: Member) -> SwimUpdate { said(of: member, member.status, by: own.nodeID) }

    private func said(of member: Member, _ status: Member.Status, by accuser: String?) -> SwimUpdate {
        SwimUpdate(nodeID: member.nodeID, incarnation: member.incarnation, status: status, accuser: accuser)
    }

    // MARK: Relays

    private mutating func runRelays(at now: Duration, _ effects: inout [Effect]) {
        for (number, relay) in relays.sorted(by: { $0.key < $1.key }) {
            if let due = relay.nackAt, now >= due {
                relays[number]?.nackAt = nil
                send(.nack(relay.number), to: relay.asker, &effects)
            }
            if now >= relay.endsAt { relays[number] = nil }
        }
    }

    // MARK: Joining and coming together again

    /// Alone: asks every seed, less often each time. In company: now and then somebody who is dead to us, or a seed that
    /// nobody here answers for, so that two halves find each other.
    private mutating func join(
        at now: Duration, _ random: inout some RandomNumberGenerator, _ effects: inout [Effect]
    ) {
        if liveCount == 1 {
            let jitter = Double.random(in: 0.75..<1.25, using: &random)
            nextJoin = now + joinPause * jitter
            joinPause = min(joinPause * 2, settings.joinPauseMax)
            for seed in seeds { sendTable(wantsAnswer: true, to: seed, &effects) }
        } else {
            joinPause = settings.joinPauseMin
            nextJoin = now + settings.reconnectInterval
        }
        let live = Set(members.filter { !$0.status.isGone }.map(\.profile.gossipAddress))
        let dead = members.filter { $0.status == .dead }.map(\.profile.gossipAddress)
        let asked = liveCount == 1 ? [] : seeds
        let missing = (dead + asked).filter { !live.contains($0) && $0 != own.profile.gossipAddress }
        if let address = missing.randomElement(using: &random) {
            sendTable(wantsAnswer: true, to: address, &effects)
        }
    }
}
