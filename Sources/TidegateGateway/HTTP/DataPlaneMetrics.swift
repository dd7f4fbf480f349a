internal import CoreMetrics

/// What the data plane reports. Made once: a handle is looked up by name only here.
final class DataPlaneMetrics: Sendable {
    /// How a request ended, as a label.
    enum Outcome: Int, CaseIterable {
        case completed, clientLeft, upstreamFailed, timedOut, refused, control

        fileprivate var label: String {
            switch self {
            case .completed: "completed"
            case .clientLeft: "client_left"
            case .upstreamFailed: "upstream_failed"
            case .timedOut: "timed_out"
            case .refused: "refused"
            case .control: "control"
            }
        }
    }

    private let requests = Outcome.allCases.map {
        Counter(label: "tidegate_requests_total", dimensions: [("outcome", $0.label)])
    }
    private let overhead = Timer(label: "tidegate_request_overhead_seconds")
    private let connections = Gauge(label: "tidegate_connections")
    private let events = Event.allCases.map { Counter(label: $0.rawValue) }

    /// What is counted without a label.
    enum Event: String, CaseIterable {
        case connectionRefused = "tidegate_connections_refused_total"
        case malformedRequest = "tidegate_malformed_requests_total"
        case clientTimeout = "tidegate_client_timeouts_total"
        case retry = "tidegate_upstream_retries_total"
        case captureFailure = "tidegate_capture_failures_total"
        case rowNotCaptured = "tidegate_rows_not_captured_total"
        case bodyTruncated = "tidegate_captured_bodies_truncated_total"

        fileprivate var index: Int { Self.allCases.firstIndex(of: self) ?? 0 }
    }

    func request(_ outcome: Outcome) { requests[outcome.rawValue].increment() }
    func count(_ event: Event) { events[event.index].increment() }
    func overhead(nanoseconds: Int64) { overhead.recordNanoseconds(nanoseconds) }
    func connections(_ open: Int) { connections.record(open) }
}
