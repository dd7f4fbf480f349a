internal import TidegateCore

extension ManagementClient {
    /// The pages of a list that tells a cursor: each goes on behind the last row of the one before, whatever came since.
    /// - Parameter take: told the rows and the place behind them; ends with false.
    func pages(
        _ path: [String], query: [(String, String)], perPage: Int, from start: String? = nil,
        _ take: ([JSONValue], String?) async throws -> Bool
    ) async throws {
        var cursor = start
        while true {
            let paging = [("per_page", "\(perPage)")] + (cursor.map { [("cursor", $0)] } ?? [])
            let (result, envelope) = try await call(.get, path, query: query + paging)
            let next = envelope["result_info"]?["cursor"]?.text
            guard !result.items.isEmpty, try await take(result.items, next), next != nil else { return }
            cursor = next
        }
    }

    func allByCursor(
        _ path: [String], query: [(String, String)], perPage: Int, limit: Int
    ) async throws -> [JSONValue] {
        var rows: [JSONValue] = []
        try await pages(path, query: query, perPage: perPage) { items, _ in
            rows += items.prefix(limit - rows.count)
            return rows.count < limit
        }
        return rows
    }

    /// The rows of a paged list, page by page until one is short, or `limit` are there.
    func all(
        _ path: [String], query: [(String, String)] = [], perPage: Int, limit: Int = .max
    ) async throws -> [JSONValue] {
        var rows: [JSONValue] = []
        var page = 1
        while rows.count < limit {
            let paging = [("page", "\(page)"), ("per_page", "\(perPage)")]
            let batch = try await call(.get, path, query: query + paging).result.items
            rows += batch.prefix(limit - rows.count)
            guard batch.count >= perPage else { break }
            page += 1
        }
        return rows
    }
}
