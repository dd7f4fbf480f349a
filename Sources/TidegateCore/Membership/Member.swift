/// A node as gossip sees it. Gossip decides when somebody looks dead, never who owns a slot (protocol, idea 2).
package struct Member: Hashable, Sendable {
    /// Order matters: at the same incarnation the later one wins.
    package enum Status: UInt8, CaseIterable, Comparable, Sendable {
        case alive, suspect, dead, left

        package static func < (one: Status, other: Status) -> Bool { one.rawValue < other.rawValue }
        package var isGone: Bool { self >= .dead }
    }

    package var nodeID: String
    /// Raised only by the member itself: to refute a suspicion, to publish a new profile, to come back.
    package var incarnation: UInt64
    package var status: Status
    package var profile: MemberProfile

    package init(
        nodeID: String, incarnation: UInt64 = 0, status: Status = .alive, profile: MemberProfile
    ) {
        self.nodeID = nodeID
        self.incarnation = incarnation
        self.status = status
        self.profile = profile
    }
}

/// What a member tells about itself.
package struct MemberProfile: Hashable, Sendable {
    package enum Phase: UInt8, CaseIterable, Sendable { case joining, active, draining, left }

    /// This start of its process: tells a restarted member from the one that died.
    package var process: IncarnationID
    package var region: String
    package var zone: String
    /// `host:port`, where datagrams reach it.
    package var gossipAddress: String
    /// `host:port` of calls between nodes.
    package var peerAddress: String
    package var phase: Phase
    /// Relative share of slots that it can carry.
    package var capacity: UInt64
    /// Slots that it holds; a hint for placement.
    package var slots: UInt64
    /// Captured rows' bytes that wait for an owner (A25).
    package var backlogBytes: UInt64
    /// Revision of the settings that it has applied.
    package var configRevision: UInt64

    package init(
        process: IncarnationID, region: String, zone: String, gossipAddress: String, peerAddress: String,
        phase: Phase = .joining, capacity: UInt64 = 1, slots: UInt64 = 0, backlogBytes: UInt64 = 0,
        configRevision: UInt64 = 0
    ) {
        self.process = process
        self.region = region
        self.zone = zone
        self.gossipAddress = gossipAddress
        self.peerAddress = peerAddress
        self.phase = phase
        self.capacity = capacity
        self.slots = slots
        self.backlogBytes = backlogBytes
        self.configRevision = configRevision
    }
}

/// Protocol §12 has the reasons for the numbers.
package struct SwimSettings: Sendable {
    package var probeInterval: Duration = .milliseconds(500)
    package var pingTimeout: Duration = .milliseconds(200)
    package var indirectProbes = 3
    /// With as many confirmations as are waited for; up to 100 members.
    package var suspicionMin: Duration = .milliseconds(1_500)
    /// Without any.
    package var suspicionMax: Duration = .seconds(6)
    package var confirmations = 3
    package var healthMax = 8
    package var gossipInterval: Duration = .milliseconds(200)
    package var gossipFanout = 3
    package var retransmitFactor = 4
    package var syncInterval: Duration = .seconds(30)
    /// Pause between tries to reach somebody who is dead to us: heals partitions.
    package var reconnectInterval: Duration = .seconds(5)
    package var joinPauseMin: Duration = .milliseconds(500)
    package var joinPauseMax: Duration = .seconds(10)
    /// How long a gone member is remembered, so that stale words cannot bring it back.
    package var tombstoneTime: Duration = .seconds(3_600)
    package var leaveTime: Duration = .seconds(1)
    package var membersMax = 1_024
    package var relaysMax = 64

    package init() {}

    /// A timeout shrinks from max to min by the logarithm of confirmations (Lifeguard §IV-B).
    package func suspicion(confirmed: Int, members: Int) -> Duration {
        let wanted = max(0, min(confirmations, members - 2))
        let scale = members <= 100 ? 2 : members <= 1_000 ? 3 : 4  // halves; grows as the time that news takes
        let shortest = suspicionMin * scale / 2
        let longest = suspicionMax * scale / 2
        guard wanted > 0, confirmed < wanted else { return shortest }
        let share = Self.logarithms[min(confirmed, 7)] / Self.logarithms[min(wanted, 7)]
        return longest - (longest - shortest) * share
    }

    /// log2 of 1...8.
    private static let logarithms: [Double] = [0, 1, 1.584963, 2, 2.321928, 2.584963, 2.807355, 3]
}
