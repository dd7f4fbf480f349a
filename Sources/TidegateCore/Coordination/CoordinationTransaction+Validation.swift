extension CoordinationTransaction {
    /// Longest key in bytes that every engine takes (LMDB's default).
    package static let keyBytesMax = 511

    /// - Throws: `.invalidRequest` for what no engine carries out: too many operations, a key twice in `then` (its result
    ///   would depend on an order), a key that is empty or too long.
    package func validate() throws(TidegateError) {
        guard compare.count <= Self.operationsMax, then.count + read.count <= Self.operationsMax else {
            throw TidegateError(
                .invalidRequest,
                "The transaction has \(compare.count) comparisons and \(then.count + read.count) operations; "
                    + "\(Self.operationsMax) of each are allowed.")
        }
        var written: Set<String> = []
        for operation in then {
            guard written.insert(operation.key).inserted else {
                throw TidegateError(.invalidRequest, "The transaction changes the key '\(operation.key)' twice.")
            }
            try Self.validate(key: operation.key)
        }
        for comparison in compare { try Self.validate(key: comparison.key) }
        for key in read { try Self.validate(key: key) }
    }

    package static func validate(key: String) throws(TidegateError) {
        guard (1...keyBytesMax).contains(key.utf8.count) else {
            throw TidegateError(.invalidRequest, "A key has 1 to \(keyBytesMax) bytes; this has \(key.utf8.count).")
        }
    }
}

extension CoordinationTransaction.Operation {
    package var key: String {
        switch self {
        case .put(let key, _, _), .delete(let key): key
        }
    }

    package var lease: LeaseID? {
        if case .put(_, _, let lease) = self { lease } else { nil }
    }
}

extension CoordinationTransaction.Comparison {
    package var key: String {
        switch self {
        case .modRevision(let key, _), .createRevision(let key, _), .value(let key, _): key
        }
    }

    /// - Parameter current: the key's state, `nil` when it is absent.
    package func holds(for current: KeyValue?) -> Bool {
        switch self {
        case .modRevision(_, let revision): (current?.modRevision ?? 0) == revision
        case .createRevision(_, let revision): (current?.createRevision ?? 0) == revision
        case .value(_, let value): current?.value == value
        }
    }
}
