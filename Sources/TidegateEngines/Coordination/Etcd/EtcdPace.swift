internal import Metrics
internal import Synchronization
internal import TidegateCore

/// Gives the calls of one store their turns.
final class EtcdPace: Sendable {
    private let pacer: Mutex<CallPacer>
    private let clock = ContinuousClock()
    private let origin = ContinuousClock().now
    private let delayed: Counter
    private let refused: Counter

    init(perSecond: Int, burst: Int, waitMax: Duration, call: String) {
        pacer = Mutex(CallPacer(perSecond: perSecond, burst: burst, waitMax: waitMax))
        delayed = Counter(label: "tidegate_etcd_calls_delayed_total", dimensions: [("call", call)])
        refused = Counter(label: "tidegate_etcd_calls_refused_total", dimensions: [("call", call)])
    }

    /// - Throws: `.overloaded` when the turn would come too late; `.unavailable` when the caller is cancelled. Nothing was
    ///   asked of etcd in either case.
    func turn() async throws(TidegateError) {
        let now = origin.duration(to: clock.now)
        switch pacer.withLock({ $0.turn(at: now) }) {
        case .now: return
        case .after(let pause):
            delayed.increment()
            do { try await Task.sleep(for: pause, tolerance: .milliseconds(1), clock: clock) } catch {
                throw TidegateError(.unavailable, "The call to etcd was given up.")
            }
        case .refused:
            refused.increment()
            throw TidegateError(
                .overloaded, "This node may not ask etcd more often (etcd.transactionsPerSecond): try again later.")
        }
    }
}
