internal import FoundationEssentials
package import Logging
internal import ServiceLifecycle
internal import Synchronization
package import TidegateCore

/// The node's copy of all gateways and tokens, fed by a watch on the coordination store.
///
/// Invariants: a key's picture only moves to newer revisions; what the watch has removed is not brought back by a slower
/// read (`SettingsTable`). Readers never wait.
package final class SettingsReplica: GatewayDirectory, Service {
    private let store: any CoordinationStore
    private let keys: CoordinationKeys
    private let slotCount: Int
    private let logger: Logger
    private let clock = ContinuousClock()
    private let origin = ContinuousClock().now
    private let table = Mutex(SettingsTable())
    private let listener = Mutex<(@Sendable (GatewayUID) -> Void)?>(nil)

    /// Entries per read of the store.
    private static let pageEntries = 500
    /// Full re-reads guard against a watch that was silently lost (protocol §10).
    private static let relistInterval = Duration.seconds(60)
    private static let retryPause = Duration.milliseconds(500)

    /// - Parameter slotCount: of every region.
    package init(store: any CoordinationStore, keys: CoordinationKeys, slotCount: Int, logger: Logger) {
        self.store = store
        self.keys = keys
        self.slotCount = slotCount
        self.logger = logger
    }

    /// Reads everything once; after it, `cached…` answers for all that existed before.
    package func load() async throws(TidegateError) -> Revision {
        var entries: [KeyValue] = []
        var after: String?
        var revision: Revision?
        repeat {
            let page = try await store.range(prefix: keys.accounts, after: after, limit: Self.pageEntries)
            entries += page.entries
            revision = revision ?? page.revision
            after = page.hasMore ? page.entries.last?.key : nil
        } while after != nil
        let asOf = revision ?? 0
        let changes = entries.compactMap { decode($0) }
        table.withLock { $0.replace(with: changes, asOf: asOf) }
        return asOf
    }

    /// Follows changes until cancelled or shut down.
    package func run() async throws {
        try await cancelWhenGracefulShutdown { try await self.followUntilCancelled() }
    }

    private func followUntilCancelled() async throws {
        while !Task.isCancelled {
            do {
                try await follow(from: try await load() + 1)
            } catch is CancellationError {
                return
            } catch is WatchCompacted {
                continue
            } catch {
                logger.warning("Settings cannot be followed, trying again", metadata: ["error": "\(error)"])
                try? await Task.sleep(for: Self.retryPause)
            }
        }
    }

    /// Returns when it is time to list again.
    private func follow(from revision: Revision) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for try await batch in self.store.watch(prefix: self.keys.accounts, from: revision) {
                    self.apply(batch)
                }
            }
            group.addTask { try await Task.sleep(for: Self.relistInterval) }
            try await group.next()
            group.cancelAll()
        }
    }

    private func apply(_ batch: WatchBatch) {
        let changes: [SettingsTable.Change] = batch.changes.compactMap { change in
            switch change {
            case .put(let entry): decode(entry)
            case .delete(let key, let revision):
                SettingsKey(key, under: keys.accounts).map { .removed($0, revision: revision) }
            }
        }
        table.withLock { $0.apply(changes, through: batch.revision) }
        guard let listener = listener.withLock({ $0 }) else { return }
        for uid in changes.compactMap({ $0.gateway?.uid }) { listener(uid) }
        // An account's own document, with its caps, is none of the table's business, but of all its gateways.
        for case .put(let entry) in batch.changes where entry.key.hasSuffix("/doc") {
            let account = entry.key.dropFirst(keys.accounts.count).dropLast("/doc".count)
            for uid in gateways(of: String(account)) { listener(uid) }
        }
    }

    private func gateways(of account: String) -> [GatewayUID] {
        table.withLock { $0.gateways[account]?.values.map(\.uid) ?? [] }
    }

    /// Told of every gateway whose settings or caps may have changed, whoever changed them. Must not wait.
    package func onChange(_ listener: @escaping @Sendable (GatewayUID) -> Void) {
        self.listener.withLock { $0 = listener }
    }

    /// An unreadable document is logged and left as it was: one bad key must not stop the others.
    private func decode(_ entry: KeyValue) -> SettingsTable.Change? {
        guard let key = SettingsKey(entry.key, under: keys.accounts) else { return nil }
        do {
            return try SettingsTable.Change(key: key, entry: entry)
        } catch {
            logger.error("A settings document cannot be read", metadata: ["key": "\(entry.key)", "error": "\(error)"])
            return nil
        }
    }

    private var now: Duration { origin.duration(to: clock.now) }
}

extension SettingsReplica {
    package func cachedGateway(account: String, name: String) -> GatewayView? {
        table.withLock { $0.gateways[account]?[name] }
    }

    package func adopt(_ gateway: GatewayView) {
        table.withLock { table in
            _ = table.merge(
                .gateway(
                    .gateway(account: gateway.account, name: gateway.name), gateway, region: table.homes[gateway.uid]))
        }
    }

    package func cachedToken(account: String, digest: TokenDigest) -> TokenView? {
        table.withLock { $0.tokens[account]?[digest] }
    }

    package func resolveGateway(account: String, name: String) async throws(TidegateError) -> GatewayView? {
        let key = SettingsKey.gateway(account: account, name: name)
        if table.withLock({ $0.isKnownAbsent(key, at: now) }) { return nil }
        if let entry = try await store.get(keys.gateway(account, name)), let change = decode(entry) {
            return table.withLock { $0.merge(change) }.gateway
        }
        table.withLock { $0.noteAbsent(key, at: now) }
        return nil
    }

    /// Tokens are stored by id, so that a miss lists the account's tokens once.
    package func resolveToken(account: String, digest: TokenDigest) async throws(TidegateError) -> TokenView? {
        let key = SettingsKey.token(account: account, id: digest.bytes.description)
        if table.withLock({ $0.isKnownAbsent(key, at: now) }) { return nil }
        var after: String?
        repeat {
            let page = try await store.range(
                prefix: keys.tokens(of: account), after: after, limit: Self.pageEntries)
            for change in page.entries.compactMap({ decode($0) }) { table.withLock { _ = $0.merge(change) } }
            after = page.hasMore ? page.entries.last?.key : nil
        } while after != nil
        if let token = cachedToken(account: account, digest: digest) { return token }
        table.withLock { $0.noteAbsent(key, at: now) }
        return nil
    }
}

extension SettingsReplica: GatewayHomes {
    package func cachedSlot(of gateway: GatewayUID) -> SlotID? {
        table.withLock { $0.homes[gateway] }.map { place(gateway, in: $0) }
    }

    package func slot(of gateway: GatewayUID) async throws(TidegateError) -> SlotID? {
        guard let entry = try await store.get(keys.gatewayIndex(gateway)) else { return nil }
        let index: GatewayIndexDocument = try DocumentCoding.decode(from: entry)
        return place(gateway, in: index.region)
    }

    private func place(_ gateway: GatewayUID, in region: String) -> SlotID {
        SlotID(region: region, index: SlotHash.index(of: gateway, count: slotCount))
    }
}
