internal import FoundationEssentials
package import Logging
internal import ServiceLifecycle
internal import Synchronization
package import TidegateCore

/// The node's copy of who is there and who owns what, fed by watches on the coordination store. Readers never wait.
///
/// It may lag, and a reader must be able to bear that: ownership itself is decided by the slots' own records.
package final class OwnershipReplica: Service, Sendable {
    /// Who serves a slot, as far as this node knows.
    package indirect enum Route: Equatable, Sendable {
        case here
        case peer(PeerAddress)
        /// Nobody, or somebody whose incarnation is gone.
        case nobody
    }

    private struct State {
        var view = OwnershipCore.View()
        /// Revisions of the newest change of each key that was taken in.
        var revisions: [String: Revision] = [:]
        var listeners: [AsyncStream<Void>.Continuation] = []
    }

    private let store: any CoordinationStore
    private let keys: CoordinationKeys
    private let incarnation: String
    private let logger: Logger
    private let state = Mutex(State())

    private static let pageEntries = 500
    private static let relistInterval = Duration.seconds(60)
    private static let retryPause = Duration.milliseconds(500)

    package init(
        store: any CoordinationStore, keys: CoordinationKeys, incarnation: IncarnationID, logger: Logger
    ) {
        (self.store, self.keys, self.logger) = (store, keys, logger)
        self.incarnation = incarnation.description
    }

    package var view: OwnershipCore.View { state.withLock(\.view) }

    /// Elements say that the view may have changed; several changes may be one element.
    package func changes() -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        state.withLock { $0.listeners.append(continuation) }
        continuation.yield()
        return stream
    }

    package func route(to slot: SlotID) -> Route {
        state.withLock { state in
            guard let owner = state.view.owners[slot], owner.state == .owned, let inc = owner.inc else {
                return .nobody
            }
            if inc == incarnation { return .here }
            guard let document = state.view.incarnations[inc], let peer = document.peer else { return .nobody }
            return .peer(peer)
        }
    }

    /// The other nodes that are there and take part.
    package var peers: [PeerAddress] {
        state.withLock { state in
            state.view.incarnations.filter { $0.key != incarnation && $0.value.state == .active }.values
                .compactMap(\.peer).sorted { $0.node < $1.node }
        }
    }

    /// Reads everything once.
    package func load() async throws(TidegateError) {
        for prefix in prefixes { _ = try await list(prefix) }
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                for prefix in self.prefixes { group.addTask { await self.follow(prefix) } }
            }
        }
        try? await gracefulShutdown()
    }

    private var prefixes: [String] { [keys.routes, keys.incarnations, keys.votes] }

    private func follow(_ prefix: String) async {
        while !Task.isCancelled {
            do {
                try await watch(prefix, from: try await list(prefix) + 1)
            } catch is CancellationError {
                return
            } catch is WatchCompacted {
                continue
            } catch {
                logger.warning("Owners cannot be followed, trying again", metadata: ["error": "\(error)"])
                try? await Task.sleep(for: Self.retryPause)
            }
        }
    }

    /// Returns when it is time to list again: a watch may have been lost without a word.
    private func watch(_ prefix: String, from revision: Revision) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for try await batch in self.store.watch(prefix: prefix, from: revision) { self.apply(batch) }
            }
            group.addTask { try await Task.sleep(for: Self.relistInterval) }
            try await group.next()
            group.cancelAll()
        }
    }

    private func list(_ prefix: String) async throws(TidegateError) -> Revision {
        var entries: [KeyValue] = []
        var revision: Revision?
        var after: String?
        repeat {
            let page = try await store.range(prefix: prefix, after: after, limit: Self.pageEntries)
            entries += page.entries
            revision = revision ?? page.revision
            after = page.hasMore ? page.entries.last?.key : nil
        } while after != nil
        let asOf = revision ?? 0
        let present = Set(entries.map(\.key))
        change { state in
            // Gone from the store, unless a watch has shown it since.
            for (key, known) in state.revisions where key.hasPrefix(prefix) && !present.contains(key) && known <= asOf {
                remove(key, asOf, &state)
            }
            for entry in entries { put(entry, &state) }
        }
        return asOf
    }

    private func apply(_ batch: WatchBatch) {
        change { state in
            for change in batch.changes {
                switch change {
                case .put(let entry): put(entry, &state)
                case .delete(let key, let revision): remove(key, revision, &state)
                }
            }
        }
    }

    private func change(_ body: (inout State) -> Void) {
        let listeners = state.withLock { state in
            let before = state.view
            body(&state)
            return state.view == before ? [] : state.listeners
        }
        for listener in listeners { listener.yield() }
    }

    // MARK: - Keys

    private func put(_ entry: KeyValue, _ state: inout State) {
        guard state.revisions[entry.key] ?? 0 < entry.modRevision else { return }
        state.revisions[entry.key] = entry.modRevision
        do throws(TidegateError) {
            if let slot = slot(entry.key) {
                state.view.owners[slot] = try DocumentCoding.decode(from: entry)
            } else if let id = name(entry.key, keys.incarnations) {
                state.view.incarnations[id] = try DocumentCoding.decode(from: entry)
            } else if let (id, observer) = vote(entry.key) {
                state.view.votes[id, default: []].insert(observer)
            }
        } catch {
            logger.error("A document of the cluster cannot be read", metadata: ["key": "\(entry.key)"])
        }
    }

    private func remove(_ key: String, _ revision: Revision, _ state: inout State) {
        guard state.revisions[key] ?? 0 <= revision else { return }
        state.revisions[key] = nil
        if let slot = slot(key) {
            state.view.owners[slot] = nil
        } else if let id = name(key, keys.incarnations) {
            state.view.incarnations[id] = nil
        } else if let (id, observer) = vote(key) {
            state.view.votes[id]?.remove(observer)
            if state.view.votes[id]?.isEmpty ?? false { state.view.votes[id] = nil }
        }
    }

    private func name(_ key: String, _ prefix: String) -> String? {
        key.hasPrefix(prefix) ? String(key.dropFirst(prefix.count)) : nil
    }

    private func slot(_ key: String) -> SlotID? {
        let parts = name(key, keys.routes)?.split(separator: "/") ?? []
        guard parts.count == 2, let index = Int(parts[1]) else { return nil }
        return SlotID(region: String(parts[0]), index: index)
    }

    private func vote(_ key: String) -> (incarnation: String, observer: String)? {
        let parts = name(key, keys.votes)?.split(separator: "/") ?? []
        return parts.count == 2 ? (String(parts[0]), String(parts[1])) : nil
    }
}
