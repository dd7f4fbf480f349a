internal import TidegateCore

extension SegmentView {
    /// No row of it comes before this place in the query's order.
    func best(_ query: LogQuery) -> PageBoundary {
        let keys = keys(query.order)
        return query.isDescending ? PageBoundary(key: keys.max, lsn: last) : PageBoundary(key: keys.min, lsn: first)
    }

    /// No row of it comes behind this place.
    func worst(_ query: LogQuery) -> PageBoundary {
        let keys = keys(query.order)
        return query.isDescending ? PageBoundary(key: keys.min, lsn: first) : PageBoundary(key: keys.max, lsn: last)
    }

    /// Bounds of `LogQuery.Order.expression` over its rows.
    private func keys(_ order: LogQuery.Order) -> (min: SQLValue, max: SQLValue) {
        switch order {
        case .createdAt: numbers(.createdAt)
        case .provider: texts(.provider)
        case .model: texts(.model)
        case .modelType: texts(.modelType)
        case .success: flag(zone.flags[.success])
        case .cached: flag(zone.flags[.cached])
        case .cost: numbers(.cost)
        case .tokensIn: numbers(.tokensIn)
        case .tokensOut: numbers(.tokensOut)
        case .duration: numbers(.duration)
        case .feedback: feedback
        }
    }

    private func numbers(_ number: ZoneMap.Number) -> (SQLValue, SQLValue) {
        guard let bounds = zone.numbers[number] else { return (.real(-.infinity), .real(.infinity)) }
        let least = SQLValue.integer(.min)  // what is absent sorts first
        if bounds.absent >= zone.rows { return (least, least) }
        return (bounds.absent > 0 ? least : .integer(bounds.min), .integer(bounds.max))
    }

    private func texts(_ text: ZoneMap.Text) -> (SQLValue, SQLValue) {
        guard let bounds = zone.textBounds[text] else {
            return (.text(""), .text(String(repeating: "\u{10FFFF}", count: 1_024)))
        }
        return (.text(bounds.min), .text(bounds.max))
    }

    private func flag(_ count: Int64?) -> (SQLValue, SQLValue) {
        guard let count else { return (.integer(0), .integer(1)) }
        return (.integer(count < zone.rows ? 0 : 1), .integer(count > 0 ? 1 : 0))
    }

    private var feedback: (SQLValue, SQLValue) {
        let least = SQLValue.real(-1e308)
        guard edited == 0, let bounds = zone.reals[.feedback] else { return (least, .real(.infinity)) }
        if bounds.absent >= zone.rows { return (least, least) }
        return (bounds.absent > 0 ? least : .real(bounds.min), .real(bounds.max))
    }
}
