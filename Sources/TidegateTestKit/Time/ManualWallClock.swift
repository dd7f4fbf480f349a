internal import Synchronization
internal import TidegateCore

/// A time of day that moves only when a test says so.
package final class ManualWallClock: WallClock {
    private let now: Mutex<Int64>

    package init(milliseconds: Int64 = 1_767_225_600_000) { now = Mutex(milliseconds) }

    package func milliseconds() -> Int64 { now.withLock { $0 } }
    package func advance(byMilliseconds step: Int64) { now.withLock { $0 += step } }
    package func set(milliseconds: Int64) { now.withLock { $0 = milliseconds } }
}
