package import CoreMetrics
internal import Synchronization

/// Keeps every metric of the process and writes them as Prometheus text (exposition format 0.0.4).
///
/// Handles are made once and live as long as the process; a second one with the same label and dimensions is the first.
package final class PrometheusRegistry: MetricsFactory {
    private struct Key: Hashable {
        let label: String
        let dimensions: String
    }

    private struct State {
        var counters: [Key: CounterCell] = [:]
        var gauges: [Key: GaugeCell] = [:]
        var histograms: [Key: HistogramCell] = [:]
    }

    private let state = Mutex(State())

    package init() {}

    package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        state.withLock { Self.cell(in: &$0.counters, label, dimensions) { CounterCell() } }
    }

    package func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        state.withLock { Self.cell(in: &$0.gauges, label, dimensions) { GaugeCell(isCounter: true) } }
    }

    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        state.withLock { Self.cell(in: &$0.gauges, label, dimensions) { GaugeCell(isCounter: false) } }
    }

    /// An aggregating recorder is a histogram, any other one a gauge, as swift-metrics means them.
    package func makeRecorder(
        label: String, dimensions: [(String, String)], aggregate: Bool
    ) -> any RecorderHandler {
        state.withLock { state in
            guard aggregate else {
                return Self.cell(in: &state.gauges, label, dimensions) { GaugeCell(isCounter: false) }
            }
            return Self.cell(in: &state.histograms, label, dimensions) {
                HistogramCell(bounds: HistogramCell.sizeBounds)
            }
        }
    }

    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        state.withLock {
            Self.cell(in: &$0.histograms, label, dimensions) { HistogramCell(bounds: HistogramCell.secondBounds) }
        }
    }

    package func destroyCounter(_ handler: any CounterHandler) {}
    package func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    package func destroyMeter(_ handler: any MeterHandler) {}
    package func destroyRecorder(_ handler: any RecorderHandler) {}
    package func destroyTimer(_ handler: any TimerHandler) {}

    private static func cell<Cell>(
        in cells: inout [Key: Cell], _ label: String, _ dimensions: [(String, String)], make: () -> Cell
    ) -> Cell {
        let key = Key(label: MetricText.name(label), dimensions: MetricText.labels(dimensions))
        if let cell = cells[key] { return cell }
        let cell = make()
        cells[key] = cell
        return cell
    }

    /// All metrics, ordered by name and labels.
    package func text() -> String {
        let state = state.withLock { $0 }
        var families: [String: (type: String, lines: [String])] = [:]
        func add(_ key: Key, type: String, lines: [String]) {
            families[key.label, default: (type, [])].lines += lines
        }
        for (key, cell) in state.counters.sorted(by: { $0.key.dimensions < $1.key.dimensions }) {
            add(key, type: "counter", lines: ["\(key.label)\(MetricText.braced(key.dimensions)) \(cell.value)"])
        }
        for (key, cell) in state.gauges.sorted(by: { $0.key.dimensions < $1.key.dimensions }) {
            let line = "\(key.label)\(MetricText.braced(key.dimensions)) \(MetricText.number(cell.value))"
            add(key, type: cell.isCounter ? "counter" : "gauge", lines: [line])
        }
        for (key, cell) in state.histograms.sorted(by: { $0.key.dimensions < $1.key.dimensions }) {
            add(key, type: "histogram", lines: cell.lines(name: key.label, labels: key.dimensions))
        }
        return families.sorted { $0.key < $1.key }
            .map { "# TYPE \($0.key) \($0.value.type)\n" + $0.value.lines.joined(separator: "\n") + "\n" }
            .joined()
    }
}
