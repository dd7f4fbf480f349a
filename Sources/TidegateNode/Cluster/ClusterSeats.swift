internal import Logging
internal import Synchronization
internal import TidegateCluster
internal import TidegateCore
internal import TidegateObjects

/// What a node that shares its stores with others has besides: who owns what, and the way to them.
struct ClusterSeats: Sendable {
    let ownership: OwnershipReplica
    let steward: SlotSteward
    let transport: any PeerTransport
    let desk: PeerDesk
    let members: any MemberList

    /// Asks every other node to return rows that the account's gateways do not use.
    static func reclaim(
        _ account: String, _ ownership: OwnershipReplica, _ transport: any PeerTransport
    ) async {
        await withDiscardingTaskGroup { group in
            for peer in ownership.peers {
                group.addTask {
                    // Who does not answer keeps its rows: they are counted, and come back another time.
                    _ = try? await transport.ask(.giveBack(account: account), at: peer, within: reclaimLimit)
                }
            }
        }
    }

    /// As protocol §9 lets a request for rows wait.
    private static let reclaimLimit = Duration.seconds(2)
}
