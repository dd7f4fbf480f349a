internal import Glibc
internal import TidegateCore

/// The machine's time of day.
package struct SystemWallClock: WallClock {
    package init() {}

    package func milliseconds() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Int64(now.tv_sec) * 1_000 + Int64(now.tv_nsec) / 1_000_000
    }
}
