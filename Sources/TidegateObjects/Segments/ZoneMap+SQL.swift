internal import GRDB
internal import TidegateCore

/// Statistics from a segment's finished tables.
extension ZoneMap {
    /// - Returns: `nil` when there are no rows.
    static func measured(_ db: Database) throws -> ZoneMap? {
        var rows: Int64 = 0
        try db.run("SELECT count(*) FROM log") { rows = $0.integer(0) }
        guard rows > 0 else { return nil }
        var ids: ClosedRange<UInt128> = 0...0
        let ends = ["", " DESC"].map {
            "SELECT idHigh, idLow FROM log ORDER BY idHigh < 0\($0), idHigh\($0), idLow < 0\($0), idLow\($0) LIMIT 1"
        }
        try db.runOnce(ends[0], []) { row in
            let least = RecordID(high: row.integer(0), low: row.integer(1)).bits
            ids = least...UInt128.max
        }
        try db.runOnce(ends[1], []) { row in
            ids = ids.lowerBound...RecordID(high: row.integer(0), low: row.integer(1)).bits
        }
        var texts: [Text: Values<[UInt8]>] = [:]
        for text in Text.allCases { texts[text] = try values(of: text.column, db) }
        var counts: [Number: Values<Int64>] = [:]
        for number in [Number.status, .step] { counts[number] = try counted(number.expression, db) }
        return ZoneMap(
            rows: rows, ids: ids, numbers: try numbers(db), reals: try reals(rows, db), texts: texts,
            textBounds: try textBounds(db), counts: counts, flags: try flags(db))
    }

    private static func numbers(_ db: Database) throws -> [Number: Bounds] {
        let parts = Number.allCases.map { number in
            let value = number.expression
            return "count(*) - count(\(value)), min(\(value)), max(\(value)), total(\(value))"
        }
        var numbers: [Number: Bounds] = [:]
        try db.runOnce("SELECT \(parts.joined(separator: ", ")) FROM log", []) { row in
            for (index, number) in Number.allCases.enumerated() {
                let column = Int32(index * 4)
                numbers[number] = Bounds(
                    absent: row.integer(column), min: row.integer(column + 1), max: row.integer(column + 2),
                    sum: Int64(clamping: row.optionalReal(column + 3) ?? 0))
            }
        }
        return numbers
    }

    private static func reals(_ rows: Int64, _ db: Database) throws -> [Real: RealBounds] {
        var reals: [Real: RealBounds] = [:]
        for (real, column) in [(Real.feedback, "feedback"), (.score, "score")] {
            try db.runOnce("SELECT count(\(column)), min(\(column)), max(\(column)) FROM overlay", []) { row in
                reals[real] = RealBounds(
                    absent: rows - row.integer(0), min: row.optionalReal(1) ?? 0, max: row.optionalReal(2) ?? 0)
            }
        }
        return reals
    }

    /// - Returns: `nil` when there are too many.
    private static func values(of column: String, _ db: Database) throws -> Values<[UInt8]>? {
        var values: Values<[UInt8]> = [:]
        var bytes = 0
        try db.runOnce(
            "SELECT \(column), count(*) FROM log GROUP BY \(column) LIMIT \(valuesMax + 1)", []
        ) { row in
            let text = row.blob(0)
            values[text] = row.integer(1)
            bytes += text.count
        }
        return values.count <= valuesMax && bytes <= textBytesMax ? values : nil
    }

    private static func counted(_ expression: String, _ db: Database) throws -> Values<Int64>? {
        var values: Values<Int64> = [:]
        try db.runOnce(
            "SELECT \(expression), count(*) FROM log GROUP BY 1 LIMIT \(valuesMax + 1)", []
        ) { values[$0.integer(0)] = $0.integer(1) }
        return values.count <= valuesMax ? values : nil
    }

    private static func textBounds(_ db: Database) throws -> [Text: TextBounds] {
        var bounds: [Text: TextBounds] = [:]
        for text in [Text.provider, .model, .modelType] {
            try db.runOnce("SELECT min(\(text.column)), max(\(text.column)) FROM log", []) { row in
                let found = TextBounds(min: row.text(0), max: row.text(1))
                if found.min.utf8.count + found.max.utf8.count <= textBytesMax { bounds[text] = found }
            }
        }
        return bounds
    }

    private static func flags(_ db: Database) throws -> [Flag: Int64] {
        let parts = Flag.allCases.map { "total(\($0.expression))" }
        var flags: [Flag: Int64] = [:]
        try db.runOnce("SELECT \(parts.joined(separator: ", ")) FROM log", []) { row in
            for (index, flag) in Flag.allCases.enumerated() {
                flags[flag] = Int64(clamping: row.optionalReal(Int32(index)) ?? 0)
            }
        }
        return flags
    }
}

extension ZoneMap.Number {
    var expression: String {
        switch self {
        case .createdAt: "log.createdAt"
        case .receivedAt: "log.receivedAt"
        case .duration: "log.durationMs"
        case .status: "log.statusCode"
        case .step: "log.step"
        case .cost: "log.cost"
        case .tokensIn: FilterField.input
        case .tokensOut: FilterField.output
        case .tokens: FilterField.total
        }
    }
}

extension ZoneMap.Text {
    var column: String {
        switch self {
        case .provider: "log.provider"
        case .model: "log.model"
        case .modelType: "log.modelType"
        case .requestType: "log.requestType"
        case .path: "log.path"
        case .userAgent: "log.userAgent"
        case .requestContentType: "log.requestContentType"
        case .responseContentType: "log.responseContentType"
        }
    }
}

extension ZoneMap.Flag {
    var expression: String {
        switch self {
        case .success: "log.success"
        case .cached: "((log.flags & \(LogRecord.Flags.cached.rawValue)) <> 0)"
        case .authenticated: "((log.flags & \(LogRecord.Flags.authenticated.rawValue)) <> 0)"
        case .compatibility: "((log.flags & \(LogRecord.Flags.compatibility.rawValue)) <> 0)"
        }
    }
}

extension Int64 {
    /// The nearest whole number, or the end of the range.
    init(clamping value: Double) {
        let limit = 0x1p63
        self = value.isNaN ? 0 : value >= limit ? .max : value <= -limit ? .min : Int64(value)
    }
}
