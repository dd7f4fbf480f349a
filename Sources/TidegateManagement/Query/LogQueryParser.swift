internal import TidegateCore

/// Reads the query string of the log resource (reference/management-api.md §3.2–3.4) into one `LogQuery`.
///
/// Pure: the same string gives the same question, whichever of the API's spellings it uses.
enum LogQueryParser {
    struct Deletion: Equatable, Sendable {
        var query: LogQuery
        var limit: Int
    }

    static let filtersMax = 32
    static let valuesMax = 100
    /// Of one value, of `search` and of a cursor, in bytes.
    static let textBytesMax = 1_024
    static let perPageMax = 50
    static let deleteLimitMax = 10_000

    static func list(_ raw: String) throws(APIFailure) -> LogQuery {
        let items = try QueryItems(raw)
        let paging = try Paging(items, perPageMax: perPageMax)
        var query = try question(items, orders: [.createdAt, .provider, .model, .modelType, .success, .cached])
        query.page = paging.page
        query.perPage = paging.perPage
        query.search = try text("search", items)
        query.bodySearch = try text("body_search", items).flatMap { $0.isEmpty ? nil : $0 }
        query.cursor = try text("cursor", items)
        query.wantsMetaInfo = try items.boolean("meta_info") ?? false
        query.isDescending = try isDescending(items) ?? true
        return query
    }

    /// The oldest first, unless the client says otherwise. A name that is not known is refused: passing over a condition
    /// would delete rows that the client meant to keep.
    static func deletion(_ raw: String) throws(APIFailure) -> Deletion {
        let items = try QueryItems(raw)
        for item in items.all where !item.name.hasPrefix("filters") && !isKnownToDeletion(item.name) {
            throw .invalid(
                "Unknown to DELETE: rows are chosen by filters, limit and order_by", at: ["query", .name(item.name)])
        }
        var query = try question(items, orders: LogQuery.Order.allCases)
        query.isDescending = try isDescending(items) ?? false
        return Deletion(
            query: query, limit: try items.integer("limit", in: 1...deleteLimitMax) ?? deleteLimitMax)
    }

    private static func isKnownToDeletion(_ name: String) -> Bool {
        ["limit", "order_by", "order_by_direction", "direction"].contains(name)
            || LogFilterParameters.names.contains(name)
    }

    private static func question(_ items: QueryItems, orders: [LogQuery.Order]) throws(APIFailure) -> LogQuery {
        var query = LogQuery()
        if let name = try items.one("order_by") {
            guard let order = LogQuery.Order(rawValue: name), orders.contains(order) else {
                let names = orders.map(\.rawValue).joined(separator: ", ")
                throw .invalid("Must be one of \(names)", at: ["query", "order_by"])
            }
            query.order = order
        }
        let spelled = try LogFilterSpelling.filters(in: items)
        for (index, one) in spelled.enumerated() {
            query.filters.append(try LogFilterValues.filter(one, at: ["query", "filters", .index(index)]))
        }
        query.filters += try LogFilterParameters.filters(in: items)
        guard query.filters.count <= filtersMax else {
            throw .invalid("At most \(filtersMax) filters", at: ["query", "filters"])
        }
        return query
    }

    private static func isDescending(_ items: QueryItems) throws(APIFailure) -> Bool? {
        let old = try direction("direction", items)
        return try direction("order_by_direction", items) ?? old
    }

    private static func direction(_ name: String, _ items: QueryItems) throws(APIFailure) -> Bool? {
        guard let text = try items.one(name) else { return nil }
        guard text == "asc" || text == "desc" else {
            throw .invalid("Must be asc or desc", at: ["query", .name(name)])
        }
        return text == "desc"
    }

    private static func text(_ name: String, _ items: QueryItems) throws(APIFailure) -> String? {
        guard let text = try items.one(name), !text.isEmpty else { return nil }
        guard text.utf8.count <= textBytesMax else {
            throw .invalid("Longer than \(textBytesMax) bytes", at: ["query", .name(name)])
        }
        return text
    }
}
