package import TidegateCore

/// Limits of the objects room.
package struct ObjectsSettings: Equatable, Sendable {
    package var slot = SlotSettings()
    package var allowance = AllowanceCore.Settings()
    /// Bytes of batches that wait in front of one slot; above it they are asked to come later.
    package var mailboxBytesMax = 32 << 20
    /// Log objects fetched at a time during recovery: also the bound of what recovery holds in memory.
    package var recoveryReadsMax = 8
    /// Pause before a store that did not answer during claim or recovery is asked again.
    package var recoveryRetry: Duration = .milliseconds(250)
    /// What a sender is told when there is no room for its rows.
    package var overloadedDelay: Duration = .milliseconds(100)
    /// Rows evicted at a time when a gateway is full and makes room for newer ones, as a share of its cap.
    package var evictionShare = 0.005

    package init() {}
}
