internal import GRDB
internal import TidegateCore

/// Traffic per minute, provider, model, status class and cache, gathered over one transaction. It is a history of what
/// passed through: deleting rows subtracts nothing.
struct RollupBatch {
    private struct Key: Hashable {
        var minute: Int64
        var provider: String
        var model: String
        var statusClass: Int64
        var cached: Int64
    }

    /// In the order of the table's columns behind the key; the last is a maximum, the others are sums.
    private var sums: [Key: [Int64]] = [:]

    mutating func add(_ record: LogRecord, createdAtMs: Int64) {
        let key = Key(
            minute: createdAtMs / 60_000, provider: record.provider, model: record.model,
            statusClass: Int64(record.statusCode) / 100, cached: record.flags.contains(.cached) ? 1 : 0)
        let usage = record.usage ?? TokenUsage()
        let duration = Int64(record.durationMs)
        let row: [Int64] = [
            1, record.isSuccess ? 0 : 1, usage.inputUncached, usage.inputCacheRead, usage.inputCacheWrite,
            usage.outputText, usage.outputReasoning, record.cost?.rawValue ?? 0, duration, duration,
        ]
        guard let known = sums[key] else {
            sums[key] = row
            return
        }
        sums[key] = row.indices.map { $0 == row.count - 1 ? max(known[$0], row[$0]) : known[$0].adding(row[$0]) }
    }

    func write(_ db: Database) throws {
        for (key, values) in sums {
            var statement = try db.prepared(Self.upsert)
            statement.bind(key.minute)
            statement.bind(key.provider)
            statement.bind(key.model)
            statement.bind(key.statusClass)
            statement.bind(key.cached)
            for value in values { statement.bind(value) }
            try statement.run()
        }
    }

    private static let upsert = """
        INSERT INTO rollup VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT(minute, provider, model, statusClass, cached) DO UPDATE SET
            requests = requests + excluded.requests, errors = errors + excluded.errors,
            inputUncached = inputUncached + excluded.inputUncached,
            inputCacheRead = inputCacheRead + excluded.inputCacheRead,
            inputCacheWrite = inputCacheWrite + excluded.inputCacheWrite,
            outputText = outputText + excluded.outputText, outputReasoning = outputReasoning + excluded.outputReasoning,
            cost = cost + excluded.cost, durationSumMs = durationSumMs + excluded.durationSumMs,
            durationMaxMs = max(durationMaxMs, excluded.durationMaxMs)
        """
}
