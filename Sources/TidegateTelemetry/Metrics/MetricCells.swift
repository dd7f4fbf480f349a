internal import CoreMetrics
internal import Synchronization

/// A number that only grows.
final class CounterCell: CounterHandler {
    private let total = Atomic<Int64>(0)
    var value: Int64 { total.load(ordering: .relaxed) }
    func increment(by amount: Int64) { total.wrappingAdd(amount, ordering: .relaxed) }
    func reset() { total.store(0, ordering: .relaxed) }
}

/// A number that goes both ways, or a counter of fractions.
final class GaugeCell: MeterHandler, RecorderHandler, FloatingPointCounterHandler {
    let isCounter: Bool
    private let bits = Atomic<UInt64>(0)

    init(isCounter: Bool) { self.isCounter = isCounter }

    var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }

    func set(_ value: Int64) { set(Double(value)) }
    func set(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }
    func record(_ value: Int64) { set(Double(value)) }
    func record(_ value: Double) { set(value) }
    func reset() { set(0.0) }
    func decrement(by amount: Double) { increment(by: -amount) }

    func increment(by amount: Double) {
        var old = bits.load(ordering: .relaxed)
        while true {
            let new = (Double(bitPattern: old) + amount).bitPattern
            let (exchanged, original) = bits.weakCompareExchange(expected: old, desired: new, ordering: .relaxed)
            if exchanged { return }
            old = original
        }
    }
}

/// Counts values in fixed ranges.
final class HistogramCell: RecorderHandler, TimerHandler {
    /// Upper bounds in seconds: 50 µs to 10 s, for time on the request path and in stores.
    static let secondBounds: [Double] = [
        0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]
    /// Upper bounds of counts and bytes: powers of four up to 16 MiB.
    static let sizeBounds: [Double] = (0...12).map { Double(1 << (2 * $0)) }

    private struct State {
        var counts: [UInt64]
        var sum = 0.0
    }

    private let bounds: [Double]
    private let state: Mutex<State>

    init(bounds: [Double]) {
        self.bounds = bounds
        state = Mutex(State(counts: Array(repeating: 0, count: bounds.count + 1)))
    }

    func record(_ value: Int64) { record(Double(value)) }
    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }

    func record(_ value: Double) {
        let range = bounds.firstIndex { value <= $0 } ?? bounds.count
        state.withLock { state in
            state.counts[range] += 1
            state.sum += value
        }
    }

    func lines(name: String, labels: String) -> [String] {
        let state = state.withLock { $0 }
        var below: UInt64 = 0
        var lines: [String] = []
        for (index, count) in state.counts.enumerated() {
            below += count
            let bound = index < bounds.count ? MetricText.number(bounds[index]) : "+Inf"
            let separator = labels.isEmpty ? "" : ","
            lines.append("\(name)_bucket{\(labels)\(separator)le=\"\(bound)\"} \(below)")
        }
        lines.append("\(name)_sum\(MetricText.braced(labels)) \(MetricText.number(state.sum))")
        lines.append("\(name)_count\(MetricText.braced(labels)) \(below)")
        return lines
    }
}
