/// When a slot's log is flushed, and how much may wait (protocol §12, A31).
package struct SlotSettings: Equatable, Sendable {
    /// Pause from the first waiting row to the flush when the log was quiet.
    package var idleFlush: Duration = .milliseconds(50)
    /// Shortest distance between two flushes under load.
    package var flushSpacing: Duration = .milliseconds(200)
    /// A flush does not wait when so many bytes do.
    package var flushBytes = 4 << 20
    /// Objects being stored or committed at a time; they are committed in order.
    package var objectsInFlightMax = 4
    /// Bytes taken and not yet applied; above it rows are asked to come later.
    package var waitingBytesMax = 48 << 20
    /// First and longest pause before an object or a read is tried again.
    package var retryFirst: Duration = .milliseconds(20)
    package var retryMax: Duration = .seconds(2)

    /// A snapshot is due after so many log objects, so many bytes of log, or so long after the first change (protocol §6).
    package var snapshotObjects = 256
    package var snapshotBytes = 64 << 20
    package var snapshotAge: Duration = .seconds(600)
    /// Recovery that replayed more than this takes a snapshot at once (protocol §5.6).
    package var replayedMax = 64
    /// Log objects fetched at a time during recovery: also the bound of what it holds in memory.
    package var recoveryReadsMax = 32
    /// How long log objects that two snapshots cover are kept all the same, for people who repair.
    package var logRetention: Duration = .zero
    /// How long a committed object is looked for before it counts as lost (protocol §5).
    package var holeAfter: Duration = .seconds(30)
    /// So many claims within the window, and the log is replayed in guarded mode (A13).
    package var guardedClaims = 3
    package var claimsWindowMs: Int64 = 600_000

    package init() {}

    package func retryDelay(_ failures: Int) -> Duration {
        failures <= 0 ? .zero : min(retryMax, retryFirst * (1 << min(failures - 1, 16)))
    }
}
