/// Consecutive records of one stream for one gateway, oldest first.
package struct DeliveryBatch: Sendable {
    package var stream: StreamID
    package var gateway: GatewayUID
    /// Sequence number of the first record; the others follow without gaps. The first of a stream and gateway is 1.
    package var firstSequence: UInt64
    /// Encoded `LogRecord`s.
    package var records: [ArraySlice<UInt8>]
    /// Every intent with a smaller number is delivered, skipped or dropped (A34).
    package var resolvedBelow: UInt64

    package init(
        stream: StreamID, gateway: GatewayUID, firstSequence: UInt64, records: [ArraySlice<UInt8>],
        resolvedBelow: UInt64
    ) {
        self.stream = stream
        self.gateway = gateway
        self.firstSequence = firstSequence
        self.records = records
        self.resolvedBelow = resolvedBelow
    }

    package var bytes: Int { records.reduce(0) { $0 + $1.count } }
}

/// What the owner decided about one record. Only `later`, `expected` and `moved` leave it in the outbox.
package enum RecordVerdict: Equatable, Sendable {
    /// The record, or an explicit skip of it, is in the committed log.
    case committed
    case duplicate
    /// It will never be taken; the refusal itself is committed.
    case permanent(PermanentReason)
    /// The gateway is gone for good (rests on a linearizable read).
    case gone
    case later(after: Duration, reason: LaterReason)
    /// The owner waits for this sequence number first.
    case expected(sequence: UInt64)
    case moved
    /// Another outbox has used this stream's numbers (A11): mint a new stream and send again.
    case fork
}

package enum PermanentReason: UInt8, Sendable { case quota = 1, invalid = 2 }
/// `unreachable`: the way to the owner is cut, as far as this node can tell.
package enum LaterReason: Sendable { case allowance, overloaded, recovering, unavailable, unreachable }

/// The way to the owner of a gateway's slot, in process or over the network.
package protocol RecordReceiver: Sendable {
    /// Hands a batch over without waiting. Batches handed over by one caller are taken in that order.
    /// - Parameter reply: called once, on any thread, when every record is decided: one verdict a record, in order.
    func submit(_ batch: DeliveryBatch, reply: @escaping @Sendable ([RecordVerdict]) -> Void)
}

/// The outbox as its drain sees it.
package protocol DeliveryQueue: Sendable {
    /// Returns when a record became deliverable since the last call, or the task is cancelled.
    func waitForRecords() async
    /// Gateways that have records which nobody has acknowledged, longest waiting first.
    func gatewaysWithRecords() -> [GatewayUID]
    /// Consecutive records of `gateway` from `sequence` on, or from its oldest unacknowledged one when `nil`; `nil` when
    /// there are none. At least one record, however large.
    func records(of gateway: GatewayUID, from sequence: UInt64?, recordsMax: Int, bytesMax: Int)
        async throws(TidegateError)
        -> DeliveryBatch?
    /// Forgets the records of `gateway` up to and including `sequence`.
    func acknowledge(_ gateway: GatewayUID, through sequence: UInt64)
    /// The owner knows this stream's numbers from somebody else: goes on under a new stream, numbering what is not yet
    /// acknowledged anew (A11).
    func mintNewStream() async throws(TidegateError)
    var statistics: DeliveryStatistics { get }
}

/// Counts of rows since the process started, and bytes on disk now.
package struct DeliveryStatistics: Equatable, Sendable {
    package var captured: UInt64 = 0
    package var acknowledged: UInt64 = 0
    /// Captured and not yet acknowledged, whenever they were captured.
    package var pending: UInt64 = 0
    package var bytes: UInt64 = 0
    /// Whether rows can be captured at present.
    package var isWritable = true
    package init() {}
}
