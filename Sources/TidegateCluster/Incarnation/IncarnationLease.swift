internal import FoundationEssentials
package import Logging
internal import ServiceLifecycle
package import TidegateCore

/// Shows the cluster that this process lives: a key under a lease, renewed until shutdown (protocol §12).
///
/// Losing it costs nothing but other nodes' patience: ownership rests on the slots' own records, never on this key.
package actor IncarnationLease: Service {
    /// Seconds; three renewals may be lost.
    private static let termSeconds = 10
    private static let renewInterval = Duration.milliseconds(2_500)

    private let store: any CoordinationStore
    private let key: String
    private let document: IncarnationDocument
    private let logger: Logger
    /// Also held by the one node that may run; `nil` where nobody else can reach the store.
    private let sole: String?
    private var lease: LeaseID?
    /// Longest that a dead node's lease outlives it: its term and what the store takes to notice.
    private static let waitMax = Duration.seconds(15)
    private static let waitPause = Duration.milliseconds(500)

    /// - Parameter isSole: others can reach the store, and this version lets one node run on it.
    package init(
        store: any CoordinationStore, keys: CoordinationKeys, id: IncarnationID, document: IncarnationDocument,
        isSole: Bool = false, logger: Logger
    ) {
        sole = isSole ? keys.sole : nil
        self.store = store
        key = keys.incarnation(id)
        self.document = document
        self.logger = logger
    }

    /// - Throws: `.conflict` when another node runs on the same store, after its lease would have ended had it died.
    package func register() async throws(TidegateError) {
        let clock = ContinuousClock()
        let deadline = clock.now + Self.waitMax
        var isTold = false
        while true {
            do throws(TidegateError) { return try await enter() } catch {
                guard error.code == .conflict, clock.now < deadline else { throw error }
            }
            if !isTold { logger.notice("Another node holds this cluster; waiting for its lease to end") }
            isTold = true
            do { try await Task.sleep(for: Self.waitPause) } catch {
                throw TidegateError(.unavailable, "The start was given up.", cause: error)
            }
        }
    }

    private func enter() async throws(TidegateError) {
        let lease = try await store.grantLease(seconds: Self.termSeconds)
        let value: [UInt8]
        do {
            value = Array(try JSONEncoder().encode(document))
        } catch {
            throw TidegateError(.internalError, "The incarnation document cannot be encoded.", cause: error)
        }
        var transaction = CoordinationTransaction(then: [.put(key: key, value: value, lease: lease)])
        if let sole {
            transaction.compare = [.modRevision(key: sole, equals: 0)]
            transaction.then.append(.put(key: sole, value: value, lease: lease))
            transaction.read = [sole]
        }
        let outcome = try await store.commit(transaction)
        guard outcome.succeeded else {
            try? await store.revoke(lease)
            let other = outcome.reads.first.flatMap { $0 }
                .flatMap { try? JSONDecoder().decode(IncarnationDocument.self, from: Data($0.value)) }
            throw TidegateError(
                .conflict,
                "Node \(other?.node ?? "unknown") at \(other?.address ?? "an unknown address") runs on this etcd, and this "
                    + "version lets one node run: stop it first.")
        }
        self.lease = lease
    }

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

    /// Gives the lease back, so that nobody waits for it to end.
    package func leave() async {
        guard let held = lease else { return }
        lease = nil
        try? await store.revoke(held)
    }

    private func renew() async {
        do {
            if let lease {
                try await store.keepAlive(lease)
            } else {
                try await enter()
            }
        } catch {
            if error.code == .notFound { lease = nil }
            logger.warning("The node's lease could not be renewed, trying again", metadata: ["error": "\(error)"])
        }
    }
}
