/// A rule of the protocol that a test breaks on purpose, to show that the simulator would notice. Each one changes what the
/// simulator's shells do; the product has no such switch. The names are those of the models (verification.md §5) where
/// they have one.
package enum Mutant: String, CaseIterable, Sendable {
    // The commit and the claim.
    /// A commit compares that the incarnation lives, not that it still owns the slot (A2).
    case incfence
    /// The ownership record lives and dies with its owner's lease (A1).
    case leasedrecord = "leased_record"
    /// A claim forgets who wrote the log before it (A3).
    case nolineage
    /// An unclear commit counts as failed, and its number is used for other bytes (A4).
    case noread
    /// Log objects are named without their epoch, so that a zombie overwrites its successor's (A4).
    case noepochkey
    /// Whatever a stream sends is taken, seen before or not (A5).
    case nodedup
    /// Rows are acknowledged when their object is stored.
    case ackstored
    /// Rows are acknowledged when committed, before readers can see them.
    case ackunapplied = "ack_before_apply"
    /// A refusal is answered before it is in the log (§4.5).
    case permanentearly = "permanent_before_commit"
    /// A row goes to whoever has the gateway's name now (A10).
    case rowbyname = "row_by_name"
    /// A committed object that cannot be found at once is skipped without a word (A8).
    case skiphole

    // Snapshots and what is deleted behind them.
    /// The log is deleted below the newest snapshot, not below the older one.
    case gccur
    /// The lineage is trimmed to what the newest snapshot needs.
    case trimcur
    /// A sweep deletes what nobody names, of its own epoch too (A12).
    case gcany
    /// A sweep deletes what nobody has named for a while (A12).
    case gcage = "gc_by_age"
    /// A snapshot holds entries that are not committed.
    case snapuncommitted
    /// A snapshot is published without comparing the ownership.
    case snapunfenced

    // Quotas (A15).
    case unfenced
    case noinflight
    case lazylocal
    case mgrreclaim
    /// A gateway's deletion gives its allowance back, but leaves the account's sum as it was.
    case quotaleak = "quota_leak"

    // Entries.
    /// What was said about a row while its segment was being written is dropped with the hot rows (A9).
    case sealinplace = "seal_in_place"
    /// Rows that were deleted while their segment was being written come back with it (A9).
    case sealresurrects = "seal_resurrects"
    /// Rows that were deleted while their segments were being rewritten come back (A9).
    case compactresurrects = "compact_resurrects"
    /// What was said about a row while its segment was being rewritten is dropped (A9).
    case compactforgets = "compact_forgets"
    /// Replaced segments are deleted at once, although retained snapshots name them (A12).
    case gcreplaced = "gc_replaced"
    /// A new owner's sweep takes for garbage what waits for the snapshots to pass it (A12).
    case sweepwaiting = "sweep_waiting"
    /// A segment is published before its pack is stored.
    case packunstored = "pack_unstored"
    /// An edit that is older than its row is dropped (A18).
    case orphandropped = "orphan_dropped"

    // The edge.
    /// Rows are delivered before they are synced: a power cut makes their numbers name other rows (A11).
    case deliverunsynced = "deliver_unsynced"

    // Reads.
    /// A strong read is answered without asking who owns the slot (A14).
    case staleread = "receive_time_lease"
    /// A front end shows an answer older than one it has shown (A14).
    case oldread = "old_read"
}
