/// What a node does with a call whose row cannot be captured because the outbox is full (A38).
package enum FullOutboxPolicy: String, Sendable, CaseIterable, Codable {
    case proxyWithoutLog = "proxy_without_log"
    case reject = "reject_429"
}

/// The edge's durable memory of what it proxied: an intent before an answer's first byte, a completion before its last.
///
/// Called on event loops: no call waits for another node, and none suspends.
package protocol CaptureLog: Sendable {
    /// Asks for room for one row before the call starts. Writes nothing yet.
    func admit(_ id: RecordID, gateway: GatewayUID, policy: FullOutboxPolicy) -> CaptureAdmission

    /// Writes the intent. Not needed when the completion is written before the answer's first byte leaves.
    /// - Parameter record: what is known of the row already, without bodies. It becomes the row, as `aborted`, if no
    ///   completion ever follows.
    func writeIntent(_ ticket: CaptureTicket, announcing record: LogRecord) throws(TidegateError)

    /// Writes the completion and assigns its place in the stream. The ticket is used up.
    /// - Parameter whenDurable: called once, on any thread, if and only if the result is `.pending` (mode `power`); the
    ///   argument is the error when it could not be made durable.
    func complete(
        _ ticket: CaptureTicket, _ record: LogRecord, whenDurable: @escaping @Sendable (TidegateError?) -> Void
    ) throws(TidegateError) -> CaptureResult

    /// Opens a file for a body that is too long to travel with its row. The row's record names what `finish` returned.
    /// - Returns: `nil` when there is no room for it or the disk refuses.
    func openBody(_ part: BodyPart, of ticket: CaptureTicket) -> (any BodyFile)?

    /// Gives the room back: the call makes no row after all. Only before `writeIntent`.
    func abandon(_ ticket: CaptureTicket)
}

package enum CaptureAdmission: Sendable {
    case admitted(CaptureTicket)
    /// The outbox is full: answer the call without a row and count it.
    case proxyWithoutLog
    /// The outbox is full: refuse the call.
    case reject
}

/// Room for one row. `intent` is the number of the intent in its stream.
package struct CaptureTicket: Hashable, Sendable {
    package let intent: UInt64
    package let id: RecordID
    package let gateway: GatewayUID

    package init(intent: UInt64, id: RecordID, gateway: GatewayUID) {
        self.intent = intent
        self.id = id
        self.gateway = gateway
    }
}

package enum CaptureResult: Sendable { case durable, pending }
