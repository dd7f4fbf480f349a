internal import TidegateCore

extension ManagementClient {
    /// The rows of a list that tells a cursor: each page goes on behind the last row of the one before, whatever came since.
    func allByCursor(
        _ path: [String], query: [(String, String)], perPage: Int, limit: Int
    ) async throws -> [JSONValue] {
        var rows: [JSONValue] = []
        var cursor: String?
        while rows.count < limit {
            let paging = [("per_page", "\(perPage)")] + (cursor.map { [("cursor", $0)] } ?? [])
            let (result, envelope) = try await call(.get, path, query: query + paging)
            rows += result.items.prefix(limit - rows.count)
            guard let next = envelope["result_info"]?["cursor"]?.text, !result.items.isEmpty else { break }
            cursor = next
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
