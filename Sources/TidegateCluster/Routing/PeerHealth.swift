internal import TidegateCore

/// Which peers cannot be reached from here, and since when.
struct PeerHealth: Sendable {
    /// A pair of nodes may be cut for a moment; after this long a third node carries the rows (protocol §13).
    static let relayAfter = Duration.seconds(10)
    /// While rows are carried, the direct way is tried again this often.
    static let retryEvery = Duration.seconds(5)

    private struct Trouble {
        var since: Duration
        var triedAt: Duration
    }
    private var troubled: [String: Trouble] = [:]

    mutating func succeeded(_ node: String) { troubled[node] = nil }

    mutating func failed(_ node: String, at now: Duration) {
        troubled[node] = Trouble(since: troubled[node]?.since ?? now, triedAt: now)
    }

    /// Whether rows for `node` should be given to somebody else to carry.
    func needsRelay(_ node: String, at now: Duration) -> Bool {
        guard let trouble = troubled[node] else { return false }
        return now - trouble.since >= Self.relayAfter && now - trouble.triedAt < Self.retryEvery
    }

    func isTroubled(_ node: String) -> Bool { troubled[node] != nil }
}
