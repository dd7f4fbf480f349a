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

    package init() {}

    package func retryDelay(_ failures: Int) -> Duration {
        failures <= 0 ? .zero : min(retryMax, retryFirst * (1 << min(failures - 1, 16)))
    }
}
