internal import Logging
internal import TidegateCore
internal import TidegateEngines
internal import TidegateObjects

/// The engines behind the two seams, whichever they are: embedded ones of this machine, or etcd and S3.
struct Engines: Sendable {
    let coordination: any CoordinationStore
    let store: any ObjectStore
    /// For `/status`.
    let coordinationKind: String
    let storeKind: String
    let isStoreReachable: @Sendable () -> Bool
    /// Others can reach the same authority: this node must be told from them.
    let isShared: Bool
    /// Runs beside the node until cancelled.
    let upkeep: @Sendable () async -> Void
    let close: @Sendable () async -> Void

    /// What these engines ask of the objects above them.
    var objectsSettings: ObjectsSettings {
        var settings = ObjectsSettings()
        guard isShared else { return settings }
        // Every put costs money there, and a second of visibility is what protocol §12 trades for it.
        settings.slot.flushSpacing = .seconds(1)
        settings.slot.logRetention = .seconds(3_600)
        return settings
    }

    /// Throws `TidegateError`s, untyped for the reason that `Assembly.open` gives.
    /// - Parameter probe: distinct for every start: names the objects by which a shared store is tried.
    static func open(
        _ settings: ServeSettings, state: StateDirectory, probe: String, clock: any WallClock, logger: Logger
    ) async throws -> Engines {
        guard let shared = settings.shared else { return try embedded(state, logger) }
        let coordination = try EtcdCoordinationStore(
            endpoints: shared.etcd, settings: shared.etcdSettings, logger: logger)
        let store = S3ObjectStore(shared.s3, clock: clock, logger: logger)
        do {
            try await coordination.check()
            try await ObjectStoreProbe(store, name: probe).run()
        } catch {
            await coordination.close()
            await store.close()
            throw error
        }
        return Engines(
            coordination: coordination, store: store, coordinationKind: "etcd", storeKind: "s3",
            isStoreReachable: { store.isReachable }, isShared: true,
            upkeep: {
                await withDiscardingTaskGroup { group in
                    group.addTask { await coordination.keepCompacted() }
                    group.addTask { await coordination.keepChecked() }
                }
            },
            close: {
                await coordination.close()
                await store.close()
            })
    }

    private static func embedded(_ state: StateDirectory, _ logger: Logger) throws(TidegateError) -> Engines {
        let coordination = try LMDBCoordinationStore(directory: state.coordination, logger: logger)
        let store = try DirectoryObjectStore(root: state.store, logger: logger)
        return Engines(
            coordination: coordination, store: store, coordinationKind: "embedded", storeKind: "file",
            isStoreReachable: { store.isReachable }, isShared: false, upkeep: {},
            close: {
                store.close()
                coordination.close()
            })
    }
}
