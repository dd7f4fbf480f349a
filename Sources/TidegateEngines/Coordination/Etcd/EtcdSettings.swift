/// How fast a node may call etcd (protocol A25): what all nodes want at once, after a region was lost, must not be the end
/// of those that etcd still serves.
package struct EtcdSettings: Equatable, Sendable {
    /// Transactions that change something, and how many may come at once after a pause.
    package var transactionsPerSecond = 50
    package var transactionsBurst = 100
    /// Reads cost etcd no disk flush, so there are this many more of them. They have a bucket of their own: looking up
    /// gateways that nobody has must not hold up a commit.
    package var readsPerTransaction = 4
    /// Longest wait for a turn; with the call's own deadline far below the 7 s of a member without quorum.
    package var waitMax = Duration.seconds(2)

    package init() {}
}
