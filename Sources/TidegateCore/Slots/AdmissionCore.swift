/// Decides record by record what a gateway's log takes. Checking and reserving are one synchronous step, so that no two
/// records are ever let in through the same gap (A39).
package struct AdmissionCore: Sendable {
    package enum Decision: Equatable, Sendable {
        /// Reserved: append the row.
        case append
        /// Reserved: append a skip, and refuse the record once that is committed.
        case skip(PermanentReason)
        /// It is in the log, or on its way there: the verdict waits for whatever is in flight.
        case duplicate
        case expected(UInt64)
        case fork
        /// No room for a row. Nothing was reserved.
        case noRoom
    }

    private struct Tail {
        var sequence: UInt64
        var id: RecordID
    }

    /// Newest sequence number per stream, in-flight ones included.
    private var tails: [StreamID: Tail]
    /// Rows in the database, as of the last object applied.
    package private(set) var live: Int64
    /// Rows reserved and not yet applied.
    package private(set) var inFlight: Int64 = 0
    /// Rows that the coordination store lets this gateway hold (§9).
    package private(set) var allowance: Int64
    /// Cap of the gateway itself; `nil` is none. It can be lower than the allowance after it was lowered.
    package var cap: Int64?

    package init(live: Int64, allowance: Int64, cap: Int64?, marks: [(StreamID, sequence: UInt64, id: RecordID)]) {
        self.live = live
        self.allowance = allowance
        self.cap = cap
        tails = Dictionary(
            marks.map { ($0.0, Tail(sequence: $0.sequence, id: $0.id)) }, uniquingKeysWith: { $1 })
    }

    /// Rows that may be held at most.
    package var limit: Int64 { min(allowance, cap ?? .max) }
    package var room: Int64 { max(0, limit &- live &- inFlight) }

    /// - Parameter refusal: why the record may not become a row, whatever the room.
    package mutating func admit(
        _ stream: StreamID, sequence: UInt64, id: RecordID, refusal: PermanentReason? = nil
    ) -> Decision {
        let tail = tails[stream]
        let next = (tail?.sequence ?? 0) &+ 1
        if let tail, sequence == tail.sequence { return tail.id == id ? .duplicate : .fork }
        if sequence < next { return .duplicate }
        guard sequence == next else { return .expected(next) }
        if refusal == nil {
            guard live + inFlight + 1 <= limit else { return .noRoom }
            inFlight += 1
        }
        tails[stream] = Tail(sequence: sequence, id: id)
        return refusal.map { .skip($0) } ?? .append
    }

    /// `rows` reserved rows are in the database now, which holds `live`.
    package mutating func applied(rows: Int64, live: Int64) {
        inFlight = max(0, inFlight - rows)
        self.live = live
    }

    /// Only after a confirmed read or success (A15).
    package mutating func raise(allowance: Int64) { self.allowance = max(self.allowance, allowance) }

    /// Gives back what is not used, before the transaction that says so (A15).
    /// - Returns: how many rows, at most `most`.
    package mutating func giveBack(_ most: Int64) -> Int64 {
        let slack = min(max(0, allowance - live - inFlight), max(0, most))
        allowance -= slack
        return slack
    }
}
