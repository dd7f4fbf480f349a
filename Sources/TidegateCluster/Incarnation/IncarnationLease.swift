package import Logging
internal import ServiceLifecycle
internal import Synchronization
package import TidegateCore

/// Shows the cluster that this process lives: a key under a lease, renewed until it leaves (protocol §12).
///
/// Losing it costs nothing but other nodes' patience: ownership rests on the slots' own records, never on this key.
package actor IncarnationLease: Service {
    /// Seconds; three renewals may be lost.
    private static let termSeconds = 10
    private static let renewInterval = Duration.milliseconds(2_500)
    /// Of the term, kept back for clocks and for what the store takes to notice (protocol §12).
    private static let validityMargin = Duration.seconds(2)

    private let store: any CoordinationStore
    private let keys: CoordinationKeys
    private let key: String
    private var document: IncarnationDocument
    private let predecessor: IncarnationID?
    private let logger: Logger
    private var lease: LeaseID?
    private nonisolated let validUntil = Mutex<ContinuousClock.Instant?>(nil)

    /// - Parameter predecessor: the process that had this state directory before, and surely ended: nobody has to wait for
    ///   its lease.
    package init(
        store: any CoordinationStore, keys: CoordinationKeys, id: IncarnationID, document: IncarnationDocument,
        predecessor: IncarnationID? = nil, logger: Logger
    ) {
        self.store = store
        self.keys = keys
        key = keys.incarnation(id)
        self.document = document
        self.predecessor = predecessor
        self.logger = logger
    }

    /// Longest that a dead process's lease outlives it: its term and what the store takes to notice.
    private static let waitMax = Duration.seconds(15)
    private static let waitPause = Duration.milliseconds(500)

    /// - Throws: `.conflict` when a node of this name runs elsewhere, after its lease would have ended had it died.
    package func register() async throws(TidegateError) {
        if let predecessor {
            _ = try await store.commit(CoordinationTransaction(then: [.delete(key: keys.incarnation(predecessor))]))
        }
        let deadline = ContinuousClock.now + Self.waitMax
        var isTold = false
        while let other = try await namesake() {
            guard ContinuousClock.now < deadline, (try? await Task.sleep(for: Self.waitPause)) != nil else {
                throw TidegateError(
                    .conflict,
                    "A node named \(document.node) runs at \(other.address): every node of a cluster needs a --node-id of its "
                        + "own, and a state directory of its own.")
            }
            if !isTold { logger.notice("Another process has this node's name; waiting for its lease to end") }
            isTold = true
        }
        try await enter()
    }

    private func namesake() async throws(TidegateError) -> IncarnationDocument? {
        var after: String?
        repeat {
            let page = try await store.range(prefix: keys.incarnations, after: after, limit: 500)
            for entry in page.entries where entry.key != key {
                let other: IncarnationDocument = try DocumentCoding.decode(from: entry)
                if other.node == document.node { return other }
            }
            after = page.hasMore ? page.entries.last?.key : nil
        } while after != nil
        return nil
    }

    private func enter() async throws(TidegateError) {
        let asked = ContinuousClock.now
        let lease = try await store.grantLease(seconds: Self.termSeconds)
        let value = try DocumentCoding.encode(document)
        do throws(TidegateError) {
            _ = try await store.commit(CoordinationTransaction(then: [.put(key: key, value: value, lease: lease)]))
        } catch {
            try? await store.revoke(lease)
            throw error
        }
        self.lease = lease
        renewed(asked)
    }

    /// Counted from when it was asked for, never from when the answer came (A14).
    private func renewed(_ asked: ContinuousClock.Instant) {
        validUntil.withLock { $0 = asked + .seconds(Self.termSeconds) - Self.validityMargin }
    }

    /// Whether the cluster surely still sees this process.
    package nonisolated var isValid: Bool { validUntil.withLock { $0.map { ContinuousClock.now < $0 } ?? false } }

    package func run() async throws {
        do {
            try await cancelWhenGracefulShutdown {
                while true {
                    try await Task.sleep(for: Self.renewInterval)
                    await self.renew()
                }
            }
        } catch is CancellationError {}
        await leave()
    }

    /// Shows the cluster what the node is about to do.
    package func enter(_ state: IncarnationDocument.State) async {
        document.state = state
        guard let lease, let value = try? DocumentCoding.encode(document) else { return }
        do throws(TidegateError) {
            _ = try await store.commit(CoordinationTransaction(then: [.put(key: key, value: value, lease: lease)]))
        } catch {
            logger.warning(
                "The cluster was not told of the node's state", metadata: ["state": "\(state)", "error": "\(error)"])
        }
    }

    /// Gives the lease back, so that nobody waits for it to end.
    package func leave() async {
        guard let held = lease else { return }
        lease = nil
        try? await store.revoke(held)
    }

    private func renew() async {
        do {
            if let lease {
                let asked = ContinuousClock.now
                try await store.keepAlive(lease)
                renewed(asked)
            } else {
                try await enter()
            }
        } catch {
            if error.code == .notFound { lease = nil }
            logger.warning("The node's lease could not be renewed, trying again", metadata: ["error": "\(error)"])
        }
    }
}
