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
    private var lease: LeaseID?

    package init(
        store: any CoordinationStore, keys: CoordinationKeys, id: IncarnationID, document: IncarnationDocument,
        logger: Logger
    ) {
        self.store = store
        key = keys.incarnation(id)
        self.document = document
        self.logger = logger
    }

    package func register() async throws(TidegateError) {
        let lease = try await store.grantLease(seconds: Self.termSeconds)
        let value: [UInt8]
        do {
            value = Array(try JSONEncoder().encode(document))
        } catch {
            throw TidegateError(.internalError, "The incarnation document cannot be encoded.", cause: error)
        }
        _ = try await store.commit(CoordinationTransaction(then: [.put(key: key, value: value, lease: lease)]))
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
        if let lease { try? await store.revoke(lease) }
    }

    private func renew() async {
        do {
            if let lease {
                try await store.keepAlive(lease)
            } else {
                try await register()
            }
        } catch {
            if error.code == .notFound { lease = nil }
            logger.warning("The node's lease could not be renewed, trying again", metadata: ["error": "\(error)"])
        }
    }
}
