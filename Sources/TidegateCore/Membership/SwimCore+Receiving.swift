extension SwimCore {
    mutating func receive(
        _ packet: SwimPacket, at now: Duration, _ random: inout some RandomNumberGenerator,
        _ effects: inout [Effect]
    ) {
        for update in packet.updates { merge(update, at: now, &effects) }
        // Who talks to me and is suspect or dead to me should hear so, and refute.
        var first: [SwimUpdate] = []
        if let sender = entries[packet.sender]?.member, sender.status != .alive { first = [accusation(of: sender)] }
        switch packet.kind {
        case .ping(let number, let target):
            guard target == own.nodeID, !isLeaving else { return }
            send(.ack(number), to: packet.senderAddress, first: first, &effects)
        case .pingRequest(let asked, let target, let address):
            guard !isLeaving else { return }
            guard relays.count < settings.relaysMax else {
                counters.relaysFull += 1
                return
            }
            let number = Self.number(&random)
            // The asker's interval ends 300 ms after it asks; the nack must be there before.
            relays[number] = Relay(
                number: asked, asker: packet.senderAddress, nackAt: now + settings.pingTimeout * 4 / 5,
                endsAt: now + settings.probeInterval * 2)
            let buddy = entries[target]?.member
            let warning = buddy?.status == .suspect ? buddy.map { [accusation(of: $0)] } ?? [] : []
            send(.ping(number, target: target), to: address, first: warning, &effects)
        case .ack(let number):
            if let relay = relays.removeValue(forKey: number) {
                send(.ack(relay.number), to: relay.asker, &effects)
            }
            probeAnswered(number, at: now)
        case .nack(let number):
            if probe?.number == number { probe?.nacks += 1 }
        case .gossip: break
        case .sync(let wantsAnswer):
            guard wantsAnswer, !isLeaving else { return }
            sendTable(wantsAnswer: false, to: packet.senderAddress, &effects)
        }
    }

    private mutating func merge(_ update: SwimUpdate, at now: Duration, _ effects: inout [Effect]) {
        guard update.nodeID != own.nodeID else { return mergeOwn(update, &effects) }
        guard let entry = entries[update.nodeID] else { return add(update, at: now, &effects) }
        let known = entry.member
        guard
            update.incarnation > known.incarnation
                || (update.incarnation == known.incarnation && update.status >= known.status)
        else { return }
        switch update.status {
        case .alive:
            guard update.incarnation > known.incarnation, let profile = update.profile else { return }
            let member = Member(nodeID: known.nodeID, incarnation: update.incarnation, profile: profile)
            entries[known.nodeID] = Entry(member: member)
            news.put(update)
            effects.append(.changed(member))
        case .suspect:
            var accused = known
            accused.incarnation = update.incarnation
            suspect(accused, accuser: update.accuser ?? "?", at: now, &effects)
        case .dead, .left:
            // Higher words about somebody gone change nothing that anybody acts on, but must be kept against stale ones.
            guard update.incarnation > known.incarnation || update.status > known.status else { return }
            var lost = known
            lost.incarnation = update.incarnation
            gone(lost, update.status, accuser: update.accuser, at: now, &effects)
        }
    }

    /// Somebody new. The dead are remembered too: their tombstone keeps stale words out.
    private mutating func add(_ update: SwimUpdate, at now: Duration, _ effects: inout [Effect]) {
        guard let profile = update.profile else { return }
        if entries.count + 1 >= settings.membersMax {
            let oldest = entries.filter { $0.value.goneAt != nil }
                .min { ($0.value.goneAt ?? .zero, $0.key) < ($1.value.goneAt ?? .zero, $1.key) }
            guard let oldest, !update.status.isGone else {
                counters.tableFull += 1
                return
            }
            entries[oldest.key] = nil
            news.drop(oldest.key)
        }
        let member = Member(
            nodeID: update.nodeID, incarnation: update.incarnation, status: update.status, profile: profile)
        var entry = Entry(member: member)
        if update.status == .suspect {
            entry.suspicion = Suspicion(since: now, accusers: [update.accuser ?? "?"])
        }
        if update.status.isGone { entry.goneAt = now }
        entries[update.nodeID] = entry
        news.put(update)
        effects.append(.changed(member))
    }

    /// What others say of me. A word that beats mine is answered with a higher incarnation.
    private mutating func mergeOwn(_ update: SwimUpdate, _ effects: inout [Effect]) {
        let isOther = update.profile.map { $0.process != own.profile.process } ?? false
        guard update.incarnation >= own.incarnation, update.status != .alive || isOther, !isLeaving else {
            // My own words from before a restart come back alive and higher: go past them as well.
            if update.incarnation > own.incarnation, !isLeaving { refute(past: update.incarnation) }
            return
        }
        if isOther, update.status == .alive, let process = update.profile?.process {
            effects.append(.conflict(process))  // or my former process, whose words still go round
        } else if !isOther {
            counters.refutations += 1
            health = min(settings.healthMax, health + 1)
        }
        refute(past: update.incarnation)
    }

    private mutating func refute(past incarnation: UInt64) {
        guard incarnation < .max else { return }  // nobody counts that far; a liar must not make us trap
        own.incarnation = incarnation + 1
        news.put(SwimUpdate(own))
    }
}
