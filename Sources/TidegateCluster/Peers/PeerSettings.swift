package import TidegateCore
package import TidegateWire

/// Bounds of the calls between nodes.
package struct PeerSettings: Sendable {
    package var queue = PeerQueueSettings()
    package var credit = PeerCreditSettings()
    /// Versions of the schema that this node reads; others in tests only.
    package var versions = WireVersions.ours
    /// Nodes that this one talks to at once; further ones displace those that are not talked to.
    package var peersMax = 256
    /// Calls of one peer that are under way at once, deliveries aside.
    package var callsMax = 48
    /// A peer that nobody talks to is forgotten.
    package var idleMax = Duration.seconds(300)
    /// Largest message, in bytes.
    package var messageBytesMax = 8 << 20
    /// Parcels that wait are packed into messages of about this size.
    package var messageBytes = 512 << 10
    /// A part of an answer is cut to this, so that a slow reader holds little.
    package var partBytes = 128 << 10
    /// How long either end of a control call waits for the other.
    package var stallMax = Duration.seconds(60)
    /// Longest that a question may be worked on, whatever the one that asks allows.
    package var answerMax = Duration.seconds(60)
    /// Connections that others may have to this node.
    package var connectionsMax = 512
    /// How long a stopping node waits for verdicts that it owes.
    package var stopGrace = Duration.seconds(5)
    /// Pings after so long without anything from the peer, and how long their answer may take: finds frozen processes and
    /// cut networks. The library asks for at least ten seconds.
    package var pingAfter = Duration.seconds(10)
    package var pingWithin = Duration.seconds(5)

    package init() {}
}
