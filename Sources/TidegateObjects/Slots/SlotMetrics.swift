internal import CoreMetrics

/// What the slots of a node report, all together. Handles are made once.
struct SlotMetrics: Sendable {
    /// Rows that readers see from now on.
    let rows = Counter(label: "tidegate_rows_committed_total")
    /// Records that were turned away for good: quota, or not to be read.
    let skipped = Counter(label: "tidegate_rows_skipped_total")
    let objects = Counter(label: "tidegate_log_objects_committed_total")
    let bytes = Counter(label: "tidegate_log_object_bytes_total")
    /// From an object's first entry to the moment readers see it.
    let visible = Timer(label: "tidegate_log_visible_duration_seconds")
    /// Published: recovery starts from them.
    let snapshots = Counter(label: "tidegate_slot_snapshots_total")
    /// Made from hot rows or from other segments.
    let segments = Counter(label: "tidegate_segments_made_total")
    /// Objects deleted because nobody needs them any more.
    let collected = Counter(label: "tidegate_objects_collected_total")
    /// Committed log objects that could not be had at a claim: their rows are lost.
    let holes = Counter(label: "tidegate_log_holes_total")
    /// Log entries that were set aside because they end the process that applies them.
    let poison = Counter(label: "tidegate_poison_entries_total")
    let fenced = Counter(label: "tidegate_slots_fenced_total")
}
