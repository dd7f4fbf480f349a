internal import TidegateCore

extension ManagementClient {
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
