import CoreMetrics
import Testing
import TidegateTelemetry

@Suite("Prometheus text")
struct PrometheusRegistryTests {
    @Test("counters, gauges and histograms are written in order, with escaped labels")
    func text() {
        let registry = PrometheusRegistry()
        let calls = Counter(label: "b_total", dimensions: [("code", "a\"b\\\n")], factory: registry)
        calls.increment(by: 2)
        Counter(label: "b_total", dimensions: [("code", "a\"b\\\n")], factory: registry).increment()
        Gauge(label: "a.bytes", factory: registry).record(1.5)
        let timer = Timer(label: "c_seconds", factory: registry)
        timer.recordNanoseconds(70_000)
        timer.recordNanoseconds(20_000_000_000)
        let lines = registry.text().split(separator: "\n").map(String.init)
        #expect(lines.first == "# TYPE a_bytes gauge")
        #expect(lines.contains("a_bytes 1.5"))
        #expect(lines.contains("b_total{code=\"a\\\"b\\\\\\n\"} 3"))
        #expect(lines.contains("c_seconds_bucket{le=\"5e-05\"} 0"))
        #expect(lines.contains("c_seconds_bucket{le=\"0.0001\"} 1"))
        #expect(lines.contains("c_seconds_bucket{le=\"10\"} 1"))
        #expect(lines.contains("c_seconds_bucket{le=\"+Inf\"} 2"))
        #expect(lines.contains("c_seconds_count 2"))
    }
}
