package import TidegateCore

/// Who is there, as one node sees it at one moment.
package struct GossipMembership: Sendable {
    package internal(set) var own: Member
    /// Everybody else by node id, the gone for as long as they are remembered.
    package internal(set) var others: [String: Member] = [:]
    /// 0: well. More: this node's own probes fail for reasons that may be its own, and it trusts itself less.
    package internal(set) var health = 0

    package func count(_ status: Member.Status) -> Int {
        others.values.reduce(own.status == status ? 1 : 0) { $0 + ($1.status == status ? 1 : 0) }
    }

    /// Ordered by node id, without this node.
    package func others(_ status: Member.Status) -> [Member] {
        others.values.filter { $0.status == status }.sorted { $0.nodeID < $1.nodeID }
    }
}

/// What went through a node's socket since it started.
package struct GossipCounts: Equatable, Sendable {
    package internal(set) var received = 0
    package internal(set) var receivedBytes = 0
    package internal(set) var sent = 0
    package internal(set) var sentBytes = 0
    package internal(set) var dropped: [GossipDrop: Int] = [:]
}

/// Why a datagram went no further; labels of a metric.
package enum GossipDrop: Hashable, Sendable {
    case incoming(GossipSeal.Drop)
    /// Opened, but not what a member writes.
    case malformed
    /// To an address that nobody could resolve, in time or at all.
    case unresolved
    /// The socket takes no more for now.
    case socketFull
    case sendFailed

    package static let all: [GossipDrop] =
        GossipSeal.Drop.allCases.map { .incoming($0) } + [.malformed, .unresolved, .socketFull, .sendFailed]

    package var label: String {
        switch self {
        case .incoming(let drop): drop.rawValue
        case .malformed: "malformed"
        case .unresolved: "unresolved"
        case .socketFull: "socket_full"
        case .sendFailed: "send_failed"
        }
    }
}
