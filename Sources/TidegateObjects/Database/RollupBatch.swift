internal import GRDB
internal import TidegateCore

/// Traffic per minute and hour, provider, model, status class and cache, gathered over one transaction. It is a history of what
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
    private var sums: [[Int64]] = []
    private var keys: [Key] = []
    private var places: [Key: Int] = [:]
    /// Of the newest row: the next one is mostly of the same kind.
    private var last = 0

    mutating func add(_ record: LogRecord, createdAtMs: Int64) {
        let key = Key(
            minute: createdAtMs / 60_000, provider: record.provider, model: record.model,
            statusClass: Int64(record.statusCode) / 100, cached: record.flags.contains(.cached) ? 1 : 0)
        let usage = record.usage ?? TokenUsage()
        let duration = Int64(record.durationMs)
        let row: [Int64] = [
            1, record.isSuccess ? 0 : 1, usage.inputUncached, usage.inputCacheRead, usage.inputCacheWrite,
            usage.outputText, usage.outputReasoning, record.cost?.rawValue ?? 0, duration,
            Int64(record.latencyMs), duration,
        ]
        add(row, to: key)
    }

    private mutating func add(_ row: [Int64], to key: Key) {
        if last >= keys.count || keys[last] != key {
            last = places[key] ?? keys.count
            if last == keys.count {
                places[key] = last
                keys.append(key)
                return sums.append(row)
            }
        }
        for index in 0..<(row.count - 1) { sums[last][index] = sums[last][index].adding(row[index]) }
        sums[last][row.count - 1] = max(sums[last][row.count - 1], row[row.count - 1])
    }

    /// Minutes go when the newest one is three days younger: that depends on nothing but what was applied.
    func write(_ db: Database) throws {
        guard !keys.isEmpty else { return }
        var hours = RollupBatch()
        for (key, values) in zip(keys, sums) {
            var hour = key
            hour.minute = key.minute / 60 - (key.minute % 60 < 0 ? 1 : 0)
            hours.add(values, to: hour)
        }
        try write(db, Self.upsert(into: "rollup"))
        try hours.write(db, Self.upsert(into: "rollup_hour"))
        try db.run("DELETE FROM rollup WHERE start < (SELECT max(start) FROM rollup) - \(Self.minutesKept)")
    }

    private func write(_ db: Database, _ upsert: String) throws {
        for (key, values) in zip(keys, sums) {
            var statement = try db.prepared(upsert)
            statement.bind(key.minute)
            statement.bind(key.provider)
            statement.bind(key.model)
            statement.bind(key.statusClass)
            statement.bind(key.cached)
            for value in values { statement.bind(value) }
            try statement.run()
        }
    }

    private static let minutesKept = 72 * 60

    private static func upsert(into table: String) -> String {
        """
        INSERT INTO \(table) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT(start, provider, model, statusClass, cached) DO UPDATE SET
            requests = requests + excluded.requests, errors = errors + excluded.errors,
            inputUncached = inputUncached + excluded.inputUncached,
            inputCacheRead = inputCacheRead + excluded.inputCacheRead,
            inputCacheWrite = inputCacheWrite + excluded.inputCacheWrite,
            outputText = outputText + excluded.outputText, outputReasoning = outputReasoning + excluded.outputReasoning,
            cost = cost + excluded.cost, durationSumMs = durationSumMs + excluded.durationSumMs,
            latencySumMs = latencySumMs + excluded.latencySumMs, durationMaxMs = max(durationMaxMs, excluded.durationMaxMs)
        """
    }
}
