/// A token bucket told as turns: a call that finds no token learns when its own comes. Turns are given in the order of the
/// calls, so nobody who waits is overtaken; who would wait too long is turned away and takes nothing.
package struct CallPacer: Sendable {
    package enum Turn: Equatable, Sendable {
        case now
        case after(Duration)
        case refused
    }

    private let spacing: Duration
    private let burst: Int
    private let waitMax: Duration
    /// When the bucket would be full, took nobody any more.
    private var fullAt = Duration.zero

    /// - Parameters:
    ///   - perSecond: tokens that come in a second, 1 or more.
    ///   - burst: tokens of a full bucket, 1 or more.
    package init(perSecond: Int, burst: Int, waitMax: Duration) {
        spacing = .seconds(1) / max(perSecond, 1)
        self.burst = max(burst, 1)
        self.waitMax = waitMax
    }

    /// - Parameter now: of a clock that never goes back.
    package mutating func turn(at now: Duration) -> Turn {
        let taken = max(fullAt, now) + spacing
        let wait = taken - now - spacing * burst
        guard wait <= waitMax else { return .refused }
        fullAt = taken
        return wait > .zero ? .after(wait) : .now
    }
}
