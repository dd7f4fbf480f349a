internal import GRDB
internal import Glibc
internal import TidegateCore

/// Statistics from a segment's finished tables, in one pass over its rows: a statement for each would read and sort them
/// again and again, and that was most of a seal's CPU.
extension ZoneMap {
    /// - Returns: `nil` when there are no rows.
    static func measured(_ db: Database, hasBodyIndex: Bool) throws -> ZoneMap? {
        var (rows, ids) = (Int64(0), UInt128.max...UInt128.max)
        var numbers = Number.allCases.map { _ in NumberMeasure() }
        var texts = Text.allCases.map { _ in TextMeasure() }
        var counts = counted.map { _ in CountMeasure() }
        var flags = Flag.allCases.map { _ in Int64(0) }
        let (firstText, firstFlag) = (2 + Int32(numbers.count), 2 + Int32(numbers.count + texts.count))
        try db.runOnce("SELECT \(columns) FROM log", []) { row in
            let id = RecordID(high: row.integer(0), low: row.integer(1)).bits
            ids = rows == 0 ? id...id : min(ids.lowerBound, id)...max(ids.upperBound, id)
            rows += 1
            for index in numbers.indices { numbers[index].add(row.optionalInteger(2 + Int32(index))) }
            for index in texts.indices { row.withText(firstText + Int32(index)) { texts[index].add($0) } }
            for (index, number) in counted.enumerated() { counts[index].add(row.integer(1 + Int32(number.rawValue))) }
            for index in flags.indices { flags[index] += row.integer(firstFlag + Int32(index)) }
        }
        guard rows > 0 else { return nil }
        let bounds = zip(Text.allCases, texts).filter { bounded.contains($0.0) }
        return ZoneMap(
            rows: rows, ids: ids, numbers: Dictionary(pairs: Number.allCases, numbers.map(\.bounds)),
            reals: try reals(rows, db), texts: Dictionary(pairs: Text.allCases, texts.map(\.values)),
            textBounds: Dictionary(pairs: bounds.map(\.0), bounds.map(\.1.bounds)),
            counts: Dictionary(pairs: counted, counts.map(\.values)), flags: Dictionary(pairs: Flag.allCases, flags),
            hasBodyIndex: hasBodyIndex)
    }

    private static let counted = [Number.status, .step]
    private static let bounded = [Text.provider, .model, .modelType]
    private static let columns =
        (["idHigh", "idLow"] + Number.allCases.map(\.expression) + Text.allCases.map(\.column)
        + Flag.allCases.map(\.expression)).joined(separator: ", ")

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
}

private struct NumberMeasure {
    private(set) var bounds = ZoneMap.Bounds(absent: 0, min: 0, max: 0, sum: 0)
    private var isEmpty = true

    mutating func add(_ value: Int64?) {
        guard let value else { return bounds.absent += 1 }
        bounds.min = isEmpty ? value : min(bounds.min, value)
        bounds.max = isEmpty ? value : max(bounds.max, value)
        bounds.sum = bounds.sum.adding(value)
        isEmpty = false
    }
}

/// The values of a number with few of them.
private struct CountMeasure {
    private var found: ZoneMap.Values<Int64>? = [:]
    private var (last, repeats) = (Int64(0), Int64(0))

    mutating func add(_ value: Int64) {
        if value != last { gather() }
        last = value
        repeats += 1
    }

    /// `nil` when there are too many.
    var values: ZoneMap.Values<Int64>? {
        var copy = self
        copy.gather()
        return copy.found
    }

    private mutating func gather() {
        guard repeats > 0, found != nil else { return }
        found?[last, default: 0] += repeats
        repeats = 0
        if (found?.count ?? 0) > ZoneMap.valuesMax { found = nil }
    }
}

/// The values of a text while they are few, and its bounds. Few are searched one by one: neighbours are mostly equal.
private struct TextMeasure {
    private var found: [(value: [UInt8], rows: Int64)] = []
    private var (bytes, last) = (0, 0)
    private var isTooMany = false
    private var (least, greatest) = ([UInt8](), [UInt8]())
    private var isEmpty = true

    /// `nil` when there are too many.
    var values: ZoneMap.Values<[UInt8]>? {
        isTooMany ? nil : Dictionary(uniqueKeysWithValues: found.map { ($0.value, $0.rows) })
    }

    /// `nil` when they are too long.
    var bounds: ZoneMap.TextBounds? {
        guard least.count + greatest.count <= ZoneMap.textBytesMax else { return nil }
        return .init(min: String(decoding: least, as: UTF8.self), max: String(decoding: greatest, as: UTF8.self))
    }

    mutating func add(_ text: UnsafeRawBufferPointer) {
        if !isTooMany {
            if last < found.count, text.isSame(as: found[last].value) { return found[last].rows += 1 }
            if let index = found.firstIndex(where: { text.isSame(as: $0.value) }) {
                last = index
                return found[index].rows += 1
            }
            (last, bytes) = (found.count, bytes + text.count)
            found.append((Array(text), 1))
            isTooMany = found.count > ZoneMap.valuesMax || bytes > ZoneMap.textBytesMax
        }
        if isEmpty || text.precedes(least) { least = Array(text) }
        if isEmpty || !text.precedes(greatest) && !text.isSame(as: greatest) { greatest = Array(text) }
        isEmpty = false
    }
}

extension UnsafeRawBufferPointer {
    fileprivate func isSame(as other: [UInt8]) -> Bool { count == other.count && order(to: other) == 0 }

    fileprivate func precedes(_ other: [UInt8]) -> Bool {
        let order = order(to: other)
        return order < 0 || order == 0 && count < other.count
    }

    /// Of the bytes that both have.
    private func order(to other: [UInt8]) -> Int32 {
        other.withUnsafeBytes { other in
            guard let mine = baseAddress, let its = other.baseAddress else { return 0 }
            return memcmp(mine, its, Swift.min(count, other.count))
        }
    }
}

extension Dictionary {
    /// Keys whose value is absent are left out.
    fileprivate init(pairs keys: [Key], _ values: [Value?]) {
        self = [:]
        for (key, value) in zip(keys, values) { self[key] = value }
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
