/// How the call that a row describes ended.
package enum RecordOutcome: UInt8, Sendable, CaseIterable {
    /// The provider's answer was relayed whole, whatever its status.
    case completed = 0
    /// The client left before the answer's end.
    case clientLeft = 1
    /// The provider broke off or could not be reached.
    case upstreamFailed = 2
    case timedOut = 3
    /// The gateway refused the call itself (limits, policies).
    case refused = 4
    /// The edge died in the middle: written at restart from the intent.
    case aborted = 5
}

/// One row as the edge captured it. Travels through the outbox, the log and into the gateway's database; never edited.
package struct LogRecord: Equatable, Sendable {
    package struct Flags: OptionSet, Sendable {
        package let rawValue: UInt64
        package init(rawValue: UInt64) { self.rawValue = rawValue }
        package static let cached = Flags(rawValue: 1 << 0)
        package static let customCost = Flags(rawValue: 1 << 1)
        /// The caller showed a valid gateway token.
        package static let authenticated = Flags(rawValue: 1 << 2)
        /// A stored key was used.
        package static let byok = Flags(rawValue: 1 << 3)
        /// The call came through the OpenAI-compatible endpoint.
        package static let compatibility = Flags(rawValue: 1 << 4)
        package static let requestBodyTruncated = Flags(rawValue: 1 << 5)
        package static let responseBodyTruncated = Flags(rawValue: 1 << 6)
        /// The caller or the gateway asked for a row without bodies.
        package static let bodiesOmitted = Flags(rawValue: 1 << 7)
        package static let streamed = Flags(rawValue: 1 << 8)
    }

    package var id: RecordID
    package var gateway: GatewayUID
    /// When the edge took the request: milliseconds since 1970 by the edge's clock.
    package var startedAtMs: Int64
    /// From the request's head to the answer's last byte.
    package var durationMs: UInt32 = 0
    /// From the request's head to the answer's first byte.
    package var latencyMs: UInt32 = 0
    package var eventID = ""
    package var provider = ""
    package var model = ""
    package var modelType = ""
    /// Path at the provider with its query, secrets in the query left out.
    package var path = ""
    package var method = ""
    /// `http`, `universal`, `websocket`, …
    package var requestType = ""
    package var requestContentType = ""
    package var responseContentType = ""
    package var userAgent = ""
    package var step: UInt32 = 0
    /// Tries made within the step.
    package var attempts: UInt32 = 1
    /// HTTP status sent to the client; 0 when there was none.
    package var statusCode: UInt16 = 0
    package var outcome: RecordOutcome = .completed
    package var usage: TokenUsage?
    package var usageSource: UsageSource = .none
    package var cost: PicoUSD?
    /// Version of the price table that `cost` was computed with; empty when none was used.
    package var priceVersion = ""
    /// A flat JSON object as text, or empty.
    package var metadata = ""
    package var flags: Flags = []
    /// Whole sizes in bytes, also when the kept bodies are shorter.
    package var requestBytes: UInt64 = 0
    package var responseBytes: UInt64 = 0
    package var requestBody: ArraySlice<UInt8> = []
    package var responseBody: ArraySlice<UInt8> = []
    /// Keys of the objects that hold bodies too large to travel with the row; the inline body is empty then.
    package var requestObject = ""
    package var responseObject = ""

    package init(id: RecordID, gateway: GatewayUID, startedAtMs: Int64) {
        self.id = id
        self.gateway = gateway
        self.startedAtMs = startedAtMs
    }

    /// A row counts as a success when its answer came whole with a status of 200–299 or 304.
    package var isSuccess: Bool {
        outcome == .completed && ((200..<300).contains(statusCode) || statusCode == 304)
    }
}
