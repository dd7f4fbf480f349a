/// Authority over ownership, heads, settings and quotas: a small ordered map with revisions, as etcd v3 offers it.
///
/// Guarantees that callers rely on: transactions are serializable and, once answered, durable; every change raises the
/// store's revision by one; a watch delivers every change after its start in revision order, without gaps.
/// Keys are UTF-8 paths such as `/tg/1/acct/acme/doc`, ordered by their bytes.
package protocol CoordinationStore: Sendable {
    /// Reads the newest value (linearizable).
    func get(_ key: String) async throws(TidegateError) -> KeyValue?

    /// Reads keys that start with `prefix`, in key order, as of one revision.
    /// - Parameters:
    ///   - after: continue behind this key; `nil` starts at the first.
    ///   - limit: keys returned at most.
    func range(prefix: String, after: String?, limit: Int) async throws(TidegateError) -> KeyRange

    /// Carries out `transaction` whole or not at all.
    /// - Throws: `.unknownOutcome` when it may or may not have happened; `.unavailable`, or `.overloaded` when this node asks
    ///   too often, when it surely did not.
    func commit(_ transaction: CoordinationTransaction) async throws(TidegateError) -> TransactionOutcome

    /// Keys put under a lease vanish when it ends.
    func grantLease(seconds: Int) async throws(TidegateError) -> LeaseID
    /// - Throws: `.notFound` when the lease has ended.
    func keepAlive(_ lease: LeaseID) async throws(TidegateError)
    func revoke(_ lease: LeaseID) async throws(TidegateError)

    /// Changes of keys that start with `prefix`, from revision `from` on. Ends with `.compacted` when those revisions are
    /// no longer kept: list again, then watch from the revision of that list plus one.
    func watch(prefix: String, from: Revision) -> AsyncThrowingStream<WatchBatch, any Error>
}

package typealias Revision = Int64

package struct LeaseID: Hashable, Sendable {
    package let rawValue: Int64
    package init(rawValue: Int64) { self.rawValue = rawValue }
}

package struct KeyValue: Equatable, Sendable {
    package var key: String
    package var value: [UInt8]
    /// Revision of the change that created the key, and of the newest one.
    package var createRevision: Revision
    package var modRevision: Revision

    package init(key: String, value: [UInt8], createRevision: Revision, modRevision: Revision) {
        self.key = key
        self.value = value
        self.createRevision = createRevision
        self.modRevision = modRevision
    }
}

package struct KeyRange: Equatable, Sendable {
    package var entries: [KeyValue]
    /// Whether keys behind the last entry were left out because of the limit.
    package var hasMore: Bool
    /// The store's revision that this is a picture of.
    package var revision: Revision

    package init(entries: [KeyValue], hasMore: Bool, revision: Revision) {
        self.entries = entries
        self.hasMore = hasMore
        self.revision = revision
    }
}

/// If every comparison holds, the `then` operations happen, else nothing changes. Reads in `read` see the state after it,
/// in either case. At most 128 operations in all, as etcd allows (A35).
package struct CoordinationTransaction: Equatable, Sendable {
    package enum Comparison: Equatable, Sendable {
        /// The key's mod-revision; 0 means that the key is absent.
        case modRevision(key: String, equals: Revision)
        case createRevision(key: String, equals: Revision)
        case value(key: String, equals: [UInt8])
    }

    package enum Operation: Equatable, Sendable {
        case put(key: String, value: [UInt8], lease: LeaseID? = nil)
        case delete(key: String)
    }

    package static let operationsMax = 128

    package var compare: [Comparison]
    package var then: [Operation]
    package var read: [String]

    package init(compare: [Comparison] = [], then: [Operation] = [], read: [String] = []) {
        self.compare = compare
        self.then = then
        self.read = read
    }
}

package struct TransactionOutcome: Equatable, Sendable {
    /// Whether the comparisons held.
    package var succeeded: Bool
    package var revision: Revision
    /// One answer per key of `read`, in order; `nil` where the key is absent.
    package var reads: [KeyValue?]

    package init(succeeded: Bool, revision: Revision, reads: [KeyValue?]) {
        self.succeeded = succeeded
        self.revision = revision
        self.reads = reads
    }
}

package struct WatchBatch: Equatable, Sendable {
    package enum Change: Equatable, Sendable {
        case put(KeyValue)
        case delete(key: String, revision: Revision)
    }

    package var changes: [Change]
    package var revision: Revision

    package init(changes: [Change], revision: Revision) {
        self.changes = changes
        self.revision = revision
    }
}

/// Ends a watch whose start is no longer kept.
package struct WatchCompacted: Error {
    package let oldestKept: Revision
    package init(oldestKept: Revision) { self.oldestKept = oldestKept }
}
