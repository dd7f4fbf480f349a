package import TidegateCore

/// Versions of the schema that a node reads. It speaks the newest that its peer reads too.
package struct WireVersions: Equatable, Sendable {
    package var read: ClosedRange<UInt32>

    /// Reading stays possible one version back, so that nodes can be replaced one by one.
    package static let ours = WireVersions(read: 1...1)

    package init(read: ClosedRange<UInt32>) { self.read = read }

    /// - Throws: `.conflict` when there is no version that both read.
    package func common(with other: WireVersions) throws(TidegateError) -> UInt32 {
        let newest = min(read.upperBound, other.read.upperBound)
        guard newest >= max(read.lowerBound, other.read.lowerBound) else {
            throw TidegateError(
                .conflict,
                """
                nodes of these versions do not understand each other: this one reads versions \(read) of the protocol \
                between nodes, the other \(other.read); replace nodes one version at a time
                """)
        }
        return newest
    }
}

/// What a node says of itself when it begins to talk.
package struct PeerGreeting: Equatable, Sendable {
    package var node: String
    package var versions: WireVersions

    package init(node: String, versions: WireVersions = .ours) {
        self.node = node
        self.versions = versions
    }

    package init(_ hello: Tidegate_Peer_Hello) throws(TidegateError) {
        guard hello.oldest >= 1, hello.oldest <= hello.newest else {
            throw TidegateError(.invalidRequest, "the other node does not say which versions it reads")
        }
        self.init(node: hello.node, versions: WireVersions(read: hello.oldest...hello.newest))
    }

    package var hello: Tidegate_Peer_Hello {
        var hello = Tidegate_Peer_Hello()
        hello.node = node
        hello.oldest = versions.read.lowerBound
        hello.newest = versions.read.upperBound
        return hello
    }
}
