internal import Metrics

/// What the outbox reports. Handles are made once.
struct OutboxMetrics: Sendable {
    let captured = Counter(label: "tidegate_outbox_captured_total")
    let acknowledged = Counter(label: "tidegate_outbox_acknowledged_total")
    let refused = Counter(label: "tidegate_outbox_full_total")
    let failures = Counter(label: "tidegate_outbox_write_failures_total")
    let corrupt = Counter(label: "tidegate_outbox_corrupt_segments_total")
    let lost = Counter(label: "tidegate_outbox_lost_records_total")
    let aborted = Counter(label: "tidegate_outbox_aborted_total")
    let streams = Counter(label: "tidegate_outbox_streams_minted_total")
    let bodies = Counter(label: "tidegate_outbox_body_files_total")
    let lostBodies = Counter(label: "tidegate_outbox_lost_bodies_total")
    let bodyFailures = Counter(label: "tidegate_outbox_body_failures_total")
    let pending = Gauge(label: "tidegate_outbox_pending_records")
    let bytes = Gauge(label: "tidegate_outbox_disk_bytes")
    let sync = Timer(label: "tidegate_outbox_sync_duration_seconds")
}
