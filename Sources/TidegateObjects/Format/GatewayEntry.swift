package import TidegateCore

/// One change of one gateway's database, as the log carries it. Entries say effects, never predicates, so that replaying
/// them anywhere gives the same database (A9).
package enum GatewayEntry: Equatable, Sendable {
    /// A row, and the advance of its stream's watermark to `sequence`. `payload` is an encoded `LogRecord`.
    case record(stream: StreamID, sequence: UInt64, id: RecordID, receivedAtMs: Int64, payload: ArraySlice<UInt8>)
    /// A refused row: only the watermark advances.
    case skip(stream: StreamID, sequence: UInt64, id: RecordID, reason: PermanentReason)
    /// Later words about a row. For an unknown id it waits for the row (A18).
    case edit(id: RecordID, patch: LogPatch, atMs: Int64)
    /// These rows are gone.
    case delete(lsns: [UInt64])
    /// All rows up to this one are gone: retention, or room for newer ones. Segments go whole: one that only begins before
    /// this row stays.
    case evict(through: UInt64)
    /// The gateway and everything of it is gone.
    case gatewayDeleted
    /// The rows of a segment leave the hot database (A9).
    case sealed(SegmentDescription)
    /// Segments, by their keys, are replaced by others with the same rows, less the deleted ones.
    case compacted(replaced: [String], by: [SegmentDescription])
    /// As `edit`, for a row that the owner has found: in a segment it cannot be found by its id.
    case editRow(lsn: UInt64, patch: LogPatch)
    /// Objects that became garbage up to log object `n` are deleted.
    case collected(through: LogIndex)
}

/// An entry with its place in the slot's log.
package struct CommittedEntry: Equatable, Sendable {
    package var lsn: LSN
    package var entry: GatewayEntry
    /// It kills whoever applies it (A13): it is set aside whole, and only its stream's watermark advances.
    package var isPoison = false
    package init(lsn: LSN, entry: GatewayEntry) {
        self.lsn = lsn
        self.entry = entry
    }
}
