internal import GRDB
internal import TidegateCore

/// How a row's fields lie in the table `hot`, and as `log` in segments: one order for writing and reading.
enum RowColumns {
    /// - Returns: `false` when the id or the place is taken; nothing was written then.
    static func insert(
        _ record: LogRecord, lsn: LSN, createdAtMs: Int64, receivedAtMs: Int64, into db: Database
    ) throws -> Bool {
        var row = try db.prepared(insertion)
        for value in [
            lsn.stored, record.id.high, record.id.low, createdAtMs, receivedAtMs, record.startedAtMs,
            Int64(record.durationMs), Int64(record.latencyMs),
        ] { row.bind(value) }
        for text in [
            record.eventID, record.provider, record.model, record.modelType, record.path, record.method,
            record.requestType, record.requestContentType, record.responseContentType, record.userAgent,
        ] { row.bind(text) }
        for value in [
            Int64(record.step), Int64(record.attempts), Int64(record.statusCode), Int64(record.outcome.rawValue),
            record.isSuccess ? 1 : 0,
        ] { row.bind(value) }
        row.bind(record.usage?.inputUncached)
        row.bind(record.usage?.inputCacheRead)
        row.bind(record.usage?.inputCacheWrite)
        row.bind(record.usage?.outputText)
        row.bind(record.usage?.outputReasoning)
        row.bind(Int64(record.usageSource.rawValue))
        row.bind(record.cost?.rawValue)
        row.bind(record.priceVersion)
        row.bind(record.metadata)
        for value in [
            Int64(bitPattern: record.flags.rawValue), Int64(bitPattern: record.requestBytes),
            Int64(bitPattern: record.responseBytes), Int64(record.requestBody.count), Int64(record.responseBody.count),
        ] { row.bind(value) }
        row.bind(record.requestObject)
        row.bind(record.responseObject)
        try row.run()
        return db.changes > 0
    }

    private static let insertion =
        "INSERT INTO hot VALUES(" + Array(repeating: "?", count: 39).joined(separator: ", ")
        + ") ON CONFLICT DO NOTHING"

    static let tables = "log LEFT JOIN overlay ON overlay.lsn = log.lsn"

    /// Metadata after edits: JSON text, or empty.
    static let metadata =
        "CASE WHEN overlay.metadataLSN IS NULL THEN log.metadata ELSE ifnull(overlay.metadata, '') END"

    /// What `read` expects, from column 0.
    static let selection = "log.*, overlay.feedback, overlay.score, \(metadata)"
    /// The first column behind `selection`.
    static let selectionEnd: Int32 = 42

    static func read(_ row: SQLColumns, gateway: GatewayUID) -> LogRow {
        var record = LogRecord(
            id: RecordID(high: row.integer(1), low: row.integer(2)), gateway: gateway, startedAtMs: row.integer(5))
        record.durationMs = UInt32(clamping: row.integer(6))
        record.latencyMs = UInt32(clamping: row.integer(7))
        record.eventID = row.text(8)
        record.provider = row.text(9)
        record.model = row.text(10)
        record.modelType = row.text(11)
        record.path = row.text(12)
        record.method = row.text(13)
        record.requestType = row.text(14)
        record.requestContentType = row.text(15)
        record.responseContentType = row.text(16)
        record.userAgent = row.text(17)
        record.step = UInt32(clamping: row.integer(18))
        record.attempts = UInt32(clamping: row.integer(19))
        record.statusCode = UInt16(clamping: row.integer(20))
        record.outcome = RecordOutcome(rawValue: UInt8(clamping: row.integer(21))) ?? .completed
        if !row.isNull(23) {
            record.usage = TokenUsage(
                inputUncached: row.integer(23), inputCacheRead: row.integer(24), inputCacheWrite: row.integer(25),
                outputText: row.integer(26), outputReasoning: row.integer(27))
        }
        record.usageSource = UsageSource(rawValue: UInt8(clamping: row.integer(28))) ?? .none
        record.cost = row.optionalInteger(29).map { PicoUSD(rawValue: $0) }
        record.priceVersion = row.text(30)
        record.metadata = row.text(31)
        record.flags = LogRecord.Flags(rawValue: UInt64(bitPattern: row.integer(32)))
        record.requestBytes = UInt64(bitPattern: row.integer(33))
        record.responseBytes = UInt64(bitPattern: row.integer(34))
        record.requestObject = row.text(37)
        record.responseObject = row.text(38)
        var shown = LogRow(record: record, lsn: LSN(stored: row.integer(0)), createdAtMs: row.integer(3))
        shown.keptRequestBytes = Int(row.integer(35))
        shown.keptResponseBytes = Int(row.integer(36))
        shown.feedback = row.optionalReal(39)
        shown.score = row.optionalReal(40)
        shown.metadata = row.text(41)
        return shown
    }
}
