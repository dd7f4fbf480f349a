/// When a node that gossip calls dead is voted against, so that its slots may be claimed before its lease ends (protocol §5).
///
/// Rules that it keeps, each against a cluster that takes itself apart:
/// - Whoever takes more than 30 % of the members for dead doubts itself and abstains.
/// - Nobody is voted against twice within a minute.
/// - Within a minute at most a tenth of the nodes, one at least, are voted against in the whole cluster.
/// - Two nodes cannot vote: the lease decides between them.
package struct VoteCore: Sendable {
    package struct Settings: Sendable {
        package var doubtShare = 0.3
        package var window = Duration.seconds(60)
        package var clusterShare = 0.1
        package init() {}
    }

    private let settings: Settings
    /// Incarnations that had a vote, ours or another's, and when that was first seen.
    private var seen: [String: Duration] = [:]
    /// Ours.
    private var cast: [String: Duration] = [:]

    package init(settings: Settings = Settings()) { self.settings = settings }

    /// - Parameters:
    ///   - dead: incarnations that gossip takes for dead. Those that the store does not know any more need no votes.
    ///   - nodes: that gossip counts as members, this one and those of `dead` that still hold a lease included.
    /// - Returns: incarnations to vote against now.
    package mutating func handle(
        dead: Set<String>, nodes: Int, view: OwnershipCore.View, at now: Duration
    ) -> [String] {
        seen = seen.filter { now - $0.value < settings.window }
        cast = cast.filter { now - $0.value < settings.window }
        for (incarnation, observers) in view.votes where !observers.isEmpty && seen[incarnation] == nil {
            seen[incarnation] = now
        }
        let accused = view.incarnations.keys.filter(dead.contains).sorted()
        guard nodes > 2, Double(accused.count) <= max(1, Double(nodes) * settings.doubtShare) else { return [] }
        let most = max(1, Int(Double(nodes) * settings.clusterShare))
        var votes: [String] = []
        for incarnation in accused where cast[incarnation] == nil {
            guard seen[incarnation] != nil || seen.count < most else { continue }
            seen[incarnation] = seen[incarnation] ?? now
            cast[incarnation] = now
            votes.append(incarnation)
        }
        return votes
    }
}
