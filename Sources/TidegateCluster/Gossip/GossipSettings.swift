package import TidegateCore

/// Where a node gossips, with whom it begins, and how fast.
package struct GossipSettings: Sendable {
    /// An address of this machine, no name. `0.0.0.0` or `::` for all of them, then `advertisedAddress` is needed.
    package var host = "127.0.0.1"
    /// 0 picks a free one.
    package var port = 8_788
    /// `host:port` where the others reach this node: an address, `[v6]`, or a name. Otherwise what is bound.
    package var advertisedAddress: String?
    /// `host:port` of nodes to ask at first, this one may be among them. Names are looked up again and again.
    package var seeds: [String] = []
    /// How far the clocks of two nodes may lie apart when they first hear each other (`ReplayGuard`).
    package var freshness: Duration = .seconds(60)
    /// Between two words about slots, backlog or revision; a change of phase is told at once. Longer in large clusters.
    package var profileInterval: Duration = .seconds(5)
    package var swim = SwimSettings()

    package init() {}

    static let seedsMax = 64
    /// At most ten words of that kind a second in the whole cluster.
    static let profileIntervalPerMember = Duration.milliseconds(100)

    func check() throws(TidegateError) {
        guard seeds.count <= Self.seedsMax else {
            throw TidegateError(
                .invalidConfiguration, "There are \(seeds.count) gossip seeds; \(Self.seedsMax) are the most.")
        }
        for address in seeds + [advertisedAddress].compactMap(\.self) where GossipAddress(address) == nil {
            throw TidegateError(
                .invalidConfiguration, "'\(address)' is no gossip address: write HOST:PORT, or [ADDRESS]:PORT for IPv6."
            )
        }
        guard advertisedAddress != nil || (host != "0.0.0.0" && host != "::") else {
            throw TidegateError(
                .invalidConfiguration,
                "A node that listens for gossip on all addresses must be told which one the others reach.")
        }
    }
}

/// `host:port`, taken apart.
struct GossipAddress: Hashable, Sendable {
    var host: String
    var port: Int

    init?(_ text: String) {
        guard let colon = text.utf8.lastIndex(of: UInt8(ascii: ":")),
            let port = UInt16(text[text.utf8.index(after: colon)...]), port > 0
        else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        guard !host.isEmpty, host.utf8.count <= 253 else { return nil }
        self.host = String(host)
        self.port = Int(port)
    }
}
