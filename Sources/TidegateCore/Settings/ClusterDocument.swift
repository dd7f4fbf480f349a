/// `cfg/cluster`: what every node must agree on before it may own anything (A30). Written once, by the first node.
package struct ClusterDocument: Equatable, Sendable, Codable {
    /// Formats that this cluster's log may contain.
    package var formatMin = 1
    package var formatMax = 1
    /// The function of `SlotHash`.
    package var hash = "xxh3"
    package var slotsPerRegion: Int
    package var regions: [String]

    package init(slotsPerRegion: Int, regions: [String]) {
        self.slotsPerRegion = slotsPerRegion
        self.regions = regions
    }
}

/// `inc/<incId>`, under a lease: a node's process that lives.
package struct IncarnationDocument: Equatable, Sendable, Codable {
    package enum State: String, Sendable, Codable { case joining, active, draining }

    package var node: String
    package var region: String
    package var address: String
    package var state: State

    /// `nil` when the address is none.
    package var peer: PeerAddress? {
        guard let colon = address.lastIndex(of: ":"), let port = Int(address[address.index(after: colon)...]) else {
            return nil
        }
        let host = address[..<colon].drop { $0 == "[" }
        return PeerAddress(node: node, host: String(host.last == "]" ? host.dropLast() : host), port: port)
    }

    package init(node: String, region: String, address: String, state: State) {
        self.node = node
        self.region = region
        self.address = address
        self.state = state
    }
}
