package import TidegateCore

/// Limits of the objects room.
package struct ObjectsSettings: Equatable, Sendable {
    package var slot = SlotSettings()
    package var allowance = AllowanceCore.Settings()
    /// Bytes of batches that wait in front of one slot; above it they are asked to come later.
    package var mailboxBytesMax = 32 << 20
    /// What a sender is told when there is no room for its rows.
    package var overloadedDelay: Duration = .milliseconds(100)
    /// Rows evicted at a time when a gateway is full and makes room for newer ones, as a share of its cap.
    package var evictionShare = 0.005
    /// Snapshots that a node copies and stores at a time.
    package var snapshotsAtOnce = 2
    /// Databases of one slot that connections hold for a snapshot; what goes beyond it is copied on the spot.
    package var pinnedConnectionsMax = 64
    package var seal = SealSettings()
    package var retention = RetentionSettings()
    /// Segments that a node makes at a time.
    package var sealsAtOnce = 2
    /// Pause between looks at gateways that have sealed rows.
    package var sealTick: Duration = .seconds(300)
    /// Rows after which a gateway is looked at.
    package var sealLookRows: Int64 = 4_096

    package init() {}
}
