/// Who is there and who looks dead: SWIM (Das et al. 2002) with Lifeguard (arXiv 1707.00788).
///
/// Rules that it keeps:
/// - At one incarnation a later status wins; only the member itself raises its incarnation.
/// - A gone member comes back by a higher incarnation only, for as long as its tombstone lies here.
/// - A core that stood still (no event in time) blames itself: nothing that ran out meanwhile counts against others.
/// - Tables, relays, queues and datagrams are bounded; what does not fit is counted and dropped.
package struct SwimCore: Sendable {
    package enum Event: Sendable {
        /// Time has passed: due at `wake`, harmless at any other time.
        case tick
        /// A datagram that was authenticated.
        case received([UInt8])
        /// What I tell about myself has changed.
        case profile(MemberProfile)
        case leave
    }

    package enum Effect: Equatable, Sendable {
        case send([UInt8], to: String)
        /// Status, incarnation or profile of another member is new.
        case changed(Member)
        /// Somebody lives under my node id in another process.
        case conflict(IncarnationID)
        /// The others have been told; stop.
        case hasLeft
    }

    package struct Counters: Equatable, Sendable {
        package var malformed = 0
        package var tableFull = 0
        package var relaysFull = 0
        package var probes = 0
        package var probesFailed = 0
        package var suspicions = 0
        package var refutations = 0
        package var stalls = 0
    }

    struct Entry: Sendable {
        var member: Member
        var suspicion: Suspicion?
        /// When it was gone.
        var goneAt: Duration?
    }

    struct Suspicion: Sendable {
        var since: Duration
        var accusers: Set<String>
    }

    struct Probe: Sendable {
        var number: UInt64
        var target: String
        var startedAt: Duration
        var askOthersAt: Duration?
        var endsAt: Duration
        var expectedNacks = 0
        var nacks = 0
    }

    struct Relay: Sendable {
        var number: UInt64
        var asker: String
        var nackAt: Duration?
        var endsAt: Duration
    }

    package let settings: SwimSettings
    package let seeds: [String]
    package internal(set) var own: Member
    package internal(set) var counters = Counters()
    /// 0: well; grows while my own probes fail for reasons that may be mine.
    package internal(set) var health = 0
    package internal(set) var isLeaving = false
    /// Of the probe that the last event answered, directly or through others.
    package internal(set) var lastRoundTrip: Duration?

    var entries: [String: Entry] = [:]
    var round: [String] = []
    var probe: Probe?
    var relays: [UInt64: Relay] = [:]
    var news = SwimNews()
    var nextProbe: Duration = .zero
    var nextGossip: Duration = .zero
    var nextSync: Duration
    var nextJoin: Duration = .zero
    var joinPause: Duration
    var leftAt: Duration?

    package init(own: Member, seeds: [String], settings: SwimSettings, at now: Duration) {
        self.own = own
        self.seeds = seeds.filter { $0 != own.profile.gossipAddress }
        self.settings = settings
        nextProbe = now
        nextGossip = now
        nextJoin = now
        nextSync = now + settings.syncInterval
        joinPause = settings.joinPauseMin
        news.put(SwimUpdate(own))
    }

    /// Everybody known, tombstones included, without me.
    package var members: [Member] { entries.values.map(\.member).sorted { $0.nodeID < $1.nodeID } }
    package var count: Int { entries.count }
    package func member(_ nodeID: String) -> Member? { entries[nodeID]?.member }
    var liveCount: Int { entries.values.reduce(1) { $0 + ($1.member.status.isGone ? 0 : 1) } }

    /// When `tick` is due next.
    package var wake: Duration {
        var due = min(nextProbe, nextSync, nextJoin)
        if !news.isEmpty { due = min(due, nextGossip) }
        if let probe { due = min(due, probe.askOthersAt ?? probe.endsAt) }
        for relay in relays.values { due = min(due, relay.nackAt ?? relay.endsAt) }
        for entry in entries.values where !isLeaving {
            if let suspicion = entry.suspicion { due = min(due, suspicion.since + timeout(of: suspicion)) }
        }
        if let leftAt { due = min(due, leftAt) }
        return due
    }

    package mutating func handle(
        _ event: Event, at now: Duration, random: inout some RandomNumberGenerator
    ) -> [Effect] {
        var effects: [Effect] = []
        lastRoundTrip = nil
        forgive(at: now)
        switch event {
        case .tick: break
        case .profile(let profile):
            own.profile = profile
            own.incarnation &+= 1
            news.put(SwimUpdate(own))
        case .leave:
            guard !isLeaving else { break }
            isLeaving = true
            own.status = .left
            own.profile.phase = .left
            news.put(SwimUpdate(own))
            leftAt = now + settings.leaveTime
            nextGossip = now
        case .received(let bytes):
            do throws(TidegateError) {
                receive(try SwimPacket(decoding: bytes), at: now, &random, &effects)
            } catch {
                counters.malformed += 1
            }
        }
        runTimers(at: now, &random, &effects)
        return effects
    }

    /// After a pause of the process or the machine, answers that came meanwhile lie unread: give everybody another go.
    private mutating func forgive(at now: Duration) {
        let late = now - wake
        guard late > settings.probeInterval else { return }
        counters.stalls += 1
        health = min(settings.healthMax, health + 1)
        if let running = probe {
            probe?.askOthersAt = running.askOthersAt.map { $0 + late }
            probe?.endsAt = running.endsAt + late
        }
        for (nodeID, entry) in entries {
            if let suspicion = entry.suspicion { entries[nodeID]?.suspicion?.since = suspicion.since + late }
        }
    }

    func timeout(of suspicion: Suspicion) -> Duration {
        settings.suspicion(confirmed: suspicion.accusers.count - 1, members: liveCount)
    }

    // MARK: Sending

    /// Fills what is left of the datagram with news; `first` goes before them.
    mutating func send(
        _ kind: SwimPacket.Kind, to address: String, first: [SwimUpdate] = [], _ effects: inout [Effect]
    ) {
        let packet = SwimPacket(
            sender: own.nodeID, senderAddress: own.profile.gossipAddress, kind: kind, updates: first)
        var bytes = packet.encoded()
        let told = settings.retransmitFactor * Self.digits(liveCount)
        for update in news.take(bytes: SwimPacket.plainBytesMax - bytes.count, timesMax: told, without: first) {
            bytes += update
        }
        effects.append(.send(bytes, to: address))
    }

    /// The whole table, in as many datagrams as it takes.
    func sendTable(wantsAnswer: Bool, to address: String, _ effects: inout [Effect]) {
        var packet = SwimPacket(
            sender: own.nodeID, senderAddress: own.profile.gossipAddress, kind: .sync(wantsAnswer: wantsAnswer),
            updates: [SwimUpdate(own)])
        var size = packet.encoded().count
        for member in members {
            let update = SwimUpdate(member, accuser: member.status == .suspect ? own.nodeID : nil)
            let bytes = update.encoded().count
            if size + bytes > SwimPacket.plainBytesMax {
                effects.append(.send(packet.encoded(), to: address))
                packet.kind = .sync(wantsAnswer: false)
                packet.updates = []
                size = packet.encoded().count
            }
            packet.updates.append(update)
            size += bytes
        }
        effects.append(.send(packet.encoded(), to: address))
    }

    /// Up to `count` live members, chosen evenly.
    func some(
        _ count: Int, without: Set<String> = [], _ random: inout some RandomNumberGenerator
    ) -> [Member] {
        var pool = members.filter { !$0.status.isGone && !without.contains($0.nodeID) }
        var chosen: [Member] = []
        while chosen.count < count, !pool.isEmpty {
            chosen.append(pool.remove(at: Int.random(in: 0..<pool.count, using: &random)))
        }
        return chosen
    }

    /// Names a ping. Drawn, not counted: an answer to another process's ping, or to one of mine from before a restart, does
    /// not fit. Seven bytes as a varint.
    static func number(_ random: inout some RandomNumberGenerator) -> UInt64 { random.next() >> 16 }

    /// ⌈log10(n + 1)⌉.
    static func digits(_ count: Int) -> Int { String(max(1, count)).utf8.count }
}
