/// A question to a gateway's log, after the API's many spellings have been read (reference/management-api.md §3.2).
package struct LogQuery: Equatable, Hashable, Sendable {
    package enum Order: String, Sendable, CaseIterable {
        case createdAt = "created_at", provider, model, modelType = "model_type", success, cached
        // Only for deletion by filter.
        case cost, tokensIn = "tokens_in", tokensOut = "tokens_out", duration, feedback
    }

    package var filters: [LogFilter] = []
    package var order: Order = .createdAt
    package var isDescending = true
    /// Part of the path, model, provider, event id, metadata or log id.
    package var search: String?
    /// Words that a row's bodies have, all of them.
    package var bodySearch: String?
    /// From 1.
    package var page = 1
    package var perPage = 20
    /// Continue behind this row instead of at `page`: a cursor that an earlier page gave.
    package var cursor: String?
    package var wantsMetaInfo = false

    package init() {}
}

/// One condition. Conditions are ANDed; the values of one are ORed, except for `neq`, where none may match.
package struct LogFilter: Equatable, Hashable, Sendable {
    package enum Key: String, Sendable, CaseIterable {
        case id, createdAt = "created_at"
        case requestContentType = "request_content_type", responseContentType = "response_content_type"
        case requestType = "request_type", success, cached, provider, model, modelType = "model_type"
        case cost, tokens, tokensIn = "tokens_in", tokensOut = "tokens_out", duration, feedback, score
        case statusCode = "status_code", path, step
        case eventID = "event_id", metadataKey = "metadata.key", metadataValue = "metadata.value"
        case authentication, wholesale, compatibilityMode, dlpAction = "dlp_action", userAgent = "user_agent"
    }
    package enum Operator: String, Sendable, CaseIterable {
        case eq, neq, contains, lt, gt
        // Not spelled in the API: the deprecated `min_…`, `max_…`, `start_date` and `end_date` are inclusive.
        case gte, lte
    }
    package enum Value: Equatable, Hashable, Sendable {
        case string(String), number(Double), bool(Bool), null
    }

    package var key: Key
    package var `operator`: Operator
    /// At least one.
    package var values: [Value]

    package init(key: Key, operator: Operator, values: [Value]) {
        self.key = key
        self.operator = `operator`
        self.values = values
    }
}

/// A row with what people added to it later.
package struct LogRow: Equatable, Sendable {
    /// Without bodies unless they were asked for.
    package var record: LogRecord
    package var lsn: LSN
    /// Shown time: the edge's, clamped to what the owner believes (A17). Milliseconds since 1970.
    package var createdAtMs: Int64
    package var feedback: Double?
    package var score: Double?
    /// Metadata as a JSON object text after edits, or empty.
    package var metadata: String
    /// First bytes of the bodies; only in a single row's answer.
    package var requestHead: [UInt8]?
    package var responseHead: [UInt8]?
    /// Sizes of the kept bodies in bytes.
    package var keptRequestBytes: Int
    package var keptResponseBytes: Int

    package init(record: LogRecord, lsn: LSN, createdAtMs: Int64) {
        self.record = record
        self.lsn = lsn
        self.createdAtMs = createdAtMs
        metadata = record.metadata
        keptRequestBytes = record.requestBody.count
        keptResponseBytes = record.responseBody.count
    }
}

package struct LogPage: Equatable, Sendable {
    package struct Range: Equatable, Sendable {
        package var min: Double
        package var max: Double
        package init(min: Double, max: Double) {
            self.min = min
            self.max = max
        }
    }

    package var rows: [LogRow]
    /// Rows that match, over all pages.
    package var totalCount: Int64
    /// `false` when counting would have taken too long: at least so many match.
    package var isCountExact = true
    /// Searching stopped before the page was full; `nextCursor` goes on behind what was searched.
    package var isPartial = false
    /// Rows that may match but whose bodies have no index to be searched by; `nil` unless bodies were searched.
    package var unsearchedBodies: Int64?
    /// Continues behind the last row; `nil` at the end.
    package var nextCursor: String?
    /// Of `cost`, `duration`, `tokens_in`, `tokens_out`, `total_tokens`, over all matching rows; only when asked for.
    package var ranges: [String: Range]?
    package var position: LogPosition?

    package init(rows: [LogRow], totalCount: Int64) {
        self.rows = rows
        self.totalCount = totalCount
    }
}

/// A change to one row. An absent field stays; `.some(nil)` clears it.
package struct LogPatch: Equatable, Sendable {
    /// −1…1.
    package var feedback: Double??
    /// 0…100.
    package var score: Double??
    /// A flat JSON object as text.
    package var metadata: String??
    package init(feedback: Double?? = nil, score: Double?? = nil, metadata: String?? = nil) {
        self.feedback = feedback
        self.score = score
        self.metadata = metadata
    }
}
