internal import TidegateCore

/// Compare-and-set on documents, with unclear outcomes settled by reading again (A4).
extension AccountManager {
    /// - Returns: whether the transaction happened. When the store does not say, the value of `key` does.
    func settle(
        _ transaction: CoordinationTransaction, didHappen: ([UInt8]?) -> Bool, of key: String
    ) async throws(TidegateError) -> Bool {
        do throws(TidegateError) {
            return try await store.commit(transaction).succeeded
        } catch {
            guard error.code == .unknownOutcome else { throw error }
            return didHappen(try await store.get(key)?.value)
        }
    }

    /// Applies `body` to the newest document until nobody was faster.
    func change<Document: Codable>(
        _ key: String, _ what: String, _ body: (inout Document) throws(TidegateError) -> Void
    ) async throws(TidegateError) -> (document: Document, revision: Revision) {
        for _ in 0..<Self.attemptsMax {
            guard let entry = try await store.get(key) else { throw TidegateError(.notFound, "There is no \(what).") }
            var document: Document = try DocumentCoding.decode(from: entry)
            try body(&document)
            let value = try DocumentCoding.encode(document)
            let transaction = CoordinationTransaction(
                compare: [.modRevision(key: key, equals: entry.modRevision)], then: [.put(key: key, value: value)],
                read: [key])
            do throws(TidegateError) {
                let outcome = try await store.commit(transaction)
                if outcome.succeeded { return (document, outcome.revision) }
            } catch {
                // Applying the change once more to what it made is what a change of settings allows.
                guard error.code == .unknownOutcome else { throw error }
            }
        }
        throw Self.tooFast
    }

    func entries(_ prefix: String) async throws(TidegateError) -> [KeyValue] {
        var found: [KeyValue] = []
        while true {
            let page = try await store.range(prefix: prefix, after: found.last?.key, limit: Self.pageSize)
            found += page.entries
            guard page.hasMore, !page.entries.isEmpty else { return found }
        }
    }

    static func noAccount(_ id: String) -> TidegateError { TidegateError(.notFound, "There is no account \(id).") }
    static var tooFast: TidegateError {
        TidegateError(.unavailable, "The account's documents change too fast. Try again.")
    }
}
