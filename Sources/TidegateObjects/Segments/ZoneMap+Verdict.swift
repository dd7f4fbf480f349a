internal import TidegateCore

/// How many of a segment's rows a condition can match.
enum ZoneVerdict: Equatable, Sendable {
    case none, all
    /// Exactly so many, neither none nor all.
    case count(Int64)
    /// Only its rows tell.
    case some

    static func exactly(_ count: Int64, of rows: Int64) -> ZoneVerdict {
        count <= 0 ? .none : count >= rows ? .all : .count(count)
    }

    func inverted(of rows: Int64) -> ZoneVerdict {
        switch self {
        case .none: .all
        case .all: .none
        case .count(let count): .count(rows - count)
        case .some: .some
        }
    }
}

/// The meaning of filters over statistics; it must never claim more than `FilterSQL` finds.
extension ZoneMap {
    /// - Parameter isEdited: rows of the segment have later words, so that nothing is known of feedback and score.
    func verdict(_ query: LogQuery, isEdited: Bool) -> ZoneVerdict {
        if query.bodySearch != nil, !hasBodyIndex { return .none }
        var whole: ZoneVerdict = query.search?.isEmpty ?? true && query.bodySearch == nil ? .all : .some
        for filter in query.filters {
            switch (verdict(filter, isEdited: isEdited), whole) {
            case (.none, _): return .none
            case (.all, _): continue
            case (let one, .all): whole = one
            case (_, _): whole = .some
            }
        }
        return whole
    }

    private func verdict(_ filter: LogFilter, isEdited: Bool) -> ZoneVerdict {
        let any: ZoneVerdict =
            switch filter.key {
            case .provider: text(.provider, filter)
            case .model: text(.model, filter)
            case .modelType: text(.modelType, filter)
            case .requestType: text(.requestType, filter)
            case .path: text(.path, filter)
            case .userAgent: text(.userAgent, filter)
            case .requestContentType: text(.requestContentType, filter)
            case .responseContentType: text(.responseContentType, filter)
            case .dlpAction: text(of: [[]: rows], filter)
            case .success: flag(flags[.success], filter)
            case .cached: flag(flags[.cached], filter)
            case .authentication: flag(flags[.authenticated], filter)
            case .compatibilityMode: flag(flags[.compatibility], filter)
            case .wholesale: flag(0, filter)
            case .createdAt: number(.createdAt, filter) { $0.instant.map(Double.init) }
            case .cost: number(.cost, filter) { $0.number.map { ($0 * 1e12).rounded() } }
            case .tokens: number(.tokens, filter) { $0.number }
            case .tokensIn: number(.tokensIn, filter) { $0.number }
            case .tokensOut: number(.tokensOut, filter) { $0.number }
            case .duration: number(.duration, filter) { $0.number }
            case .statusCode: number(.status, filter) { $0.number }
            case .step: number(.step, filter) { $0.number }
            case .feedback: isEdited ? .some : real(.feedback, filter)
            case .score: isEdited ? .some : real(.score, filter)
            case .id: id(filter)
            case .eventID, .metadataKey, .metadataValue: .some
            }
        return filter.operator == .neq ? any.inverted(of: rows) : any
    }

    private func text(_ column: Text, _ filter: LogFilter) -> ZoneVerdict {
        guard let values = texts[column] else { return .some }
        return text(of: values, filter)
    }

    private func text(of values: Values<[UInt8]>, _ filter: LogFilter) -> ZoneVerdict {
        guard filter.operator == .eq || filter.operator == .neq else { return .some }
        let wanted = Set(filter.values.map { Array($0.text.utf8) })
        return .exactly(wanted.reduce(0) { $0 + (values[$1] ?? 0) }, of: rows)
    }

    private func flag(_ count: Int64?, _ filter: LogFilter) -> ZoneVerdict {
        guard let count, filter.operator == .eq || filter.operator == .neq else { return .some }
        let wanted = Set(filter.values.filter { $0 != .null }.map { ["true", "1"].contains($0.text.lowercased()) })
        return .exactly(
            (wanted.contains(true) ? count : 0) + (wanted.contains(false) ? rows - count : 0), of: rows)
    }

    private func number(
        _ column: Number, _ filter: LogFilter, _ read: (LogFilter.Value) -> Double?
    ) -> ZoneVerdict {
        guard let bounds = numbers[column] else { return .some }
        if let counts = counts[column], !filter.values.contains(.null) {
            let wanted = filter.values.compactMap(read)
            guard wanted.count == filter.values.count else { return .some }
            let matching = counts.reduce(0 as Int64) { sum, item in
                sum + (wanted.contains { Self.holds(Double(item.key), filter.operator, $0) } ? item.value : 0)
            }
            return .exactly(matching, of: rows)
        }
        return bounded(absent: bounds.absent, Double(bounds.min), Double(bounds.max), filter, read)
    }

    private func real(_ column: Real, _ filter: LogFilter) -> ZoneVerdict {
        guard let bounds = reals[column] else { return .some }
        return bounded(absent: bounds.absent, bounds.min, bounds.max, filter) { $0.number }
    }

    private func bounded(
        absent: Int64, _ min: Double, _ max: Double, _ filter: LogFilter, _ read: (LogFilter.Value) -> Double?
    ) -> ZoneVerdict {
        if filter.values.allSatisfy({ $0 == .null }) { return .exactly(absent, of: rows) }
        var verdicts: [ZoneVerdict] = []
        for value in filter.values {
            if value == .null {
                verdicts.append(.exactly(absent, of: rows))
                continue
            }
            // Beyond 2⁵³ whole numbers and their `Double`s part.
            guard let wanted = read(value), abs(wanted) < 0x1p53, abs(min) < 0x1p53, abs(max) < 0x1p53 else {
                return .some
            }
            verdicts.append(absent >= rows ? .none : Self.bounded(min, max, filter.operator, wanted, absent: absent))
        }
        if verdicts.allSatisfy({ $0 == .none }) { return .none }
        return verdicts.contains(.all) ? .all : .some
    }

    private static func bounded(
        _ min: Double, _ max: Double, _ operator: LogFilter.Operator, _ wanted: Double, absent: Int64
    ) -> ZoneVerdict {
        let (atMin, atMax) = (holds(min, `operator`, wanted), holds(max, `operator`, wanted))
        switch `operator` {
        case .eq, .neq, .contains:
            if wanted < min || wanted > max { return .none }
            return atMin && atMax && absent == 0 ? .all : .some
        case .lt, .gt, .lte, .gte:
            if !atMin && !atMax { return .none }
            return atMin && atMax && absent == 0 ? .all : .some
        }
    }

    private static func holds(_ value: Double, _ operator: LogFilter.Operator, _ wanted: Double) -> Bool {
        switch `operator` {
        case .lt: value < wanted
        case .gt: value > wanted
        case .lte: value <= wanted
        case .gte: value >= wanted
        case .eq, .neq, .contains: value == wanted
        }
    }

    private func id(_ filter: LogFilter) -> ZoneVerdict {
        guard filter.operator == .eq || filter.operator == .neq else { return .some }
        let isPossible = filter.values.contains { RecordID($0.text).map { ids.contains($0.bits) } ?? false }
        return isPossible ? .some : .none
    }
}

extension LogFilter.Value {
    /// Milliseconds since 1970.
    var instant: Int64? {
        switch self {
        case .string(let text): InstantText.milliseconds(text)
        case .number(let number): Int64(exactly: number.rounded())
        case .bool, .null: nil
        }
    }
}
