package import TidegateCore

package struct OutboxSettings: Sendable {
    package enum Mode: String, Sendable {
        /// A captured row survives the end of the process; the disk is synced in the background.
        case process
        /// A captured row survives a power cut: a completion is durable only after its sync.
        case power
    }

    package var mode: Mode = .process
    package var segmentBytes = 64 << 20
    package var bytesMax: UInt64 = 20 << 30
    package var recordsMax: UInt64 = 20_000_000
    /// Payloads kept in memory for the drain.
    package var memoryBytesMax = 64 << 20
    /// Longest time from a write to its sync in mode `process`.
    package var syncDelayMs = 10
    /// Between two writes of the cursor file.
    package var cursorIntervalMs = 1_000
    /// After a full disk, rows are taken again when so much is free.
    package var freeBytesMin: UInt64 = 64 << 20
    /// For tests: asked before each write; an errno other than 0 is what the write then fails with.
    package var writeFault: (@Sendable () -> Int32)? = nil

    /// The same for writes to bodies' files.
    package var bodyFault: (@Sendable () -> Int32)? = nil

    package init() {}

    package func validated() throws(TidegateError) -> OutboxSettings {
        guard (64 << 10)...(1 << 30) ~= segmentBytes, bytesMax >= UInt64(segmentBytes), recordsMax > 0,
            memoryBytesMax >= 0, 0...1_000 ~= syncDelayMs, 1...60_000 ~= cursorIntervalMs
        else {
            throw TidegateError(
                .invalidConfiguration,
                "outbox: segmentBytes is 64 KiB to 1 GiB, bytesMax at least one segment, recordsMax above 0, "
                    + "syncDelayMs 0 to 1000, cursorIntervalMs 1 to 60000.")
        }
        return self
    }
}
