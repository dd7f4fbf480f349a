package import Logging
internal import Synchronization
package import TidegateCore

/// The room's front door: all slots of this node, the way in for records, and the answers about logs.
package final class Objects: RecordReceiver, LogService, Sendable {
    private let hosts: [SlotHost]
    private let tasks = Mutex<[Task<Void, Never>]>([])
    private let clock: any WallClock
    private let store: any ObjectStore
    /// Of a body in an object, shown with its row.
    private static let headBytes = GatewayLog.Limits().headBytes

    /// - Parameters:
    ///   - incarnation: random per process; two processes with one would take each other's claims for their own.
    ///   - entryGuard: tries entries out when owners of a slot have died often lately.
    ///   - mintName: random letters and digits, never the same twice: part of the names of objects.
    package init(
        region: String, slotCount: Int = 16, incarnation: IncarnationID, coordination: any CoordinationStore,
        store: any ObjectStore, keys: CoordinationKeys, storage: any GatewayStorageProvider, clock: any WallClock,
        settings: ObjectsSettings, logger: Logger,
        mintName: @escaping @Sendable () -> String, entryGuard: any EntryGuard
    ) {
        self.clock = clock
        self.store = store
        let world = SlotWorld(
            incarnation: incarnation, coordination: coordination, store: store, keys: keys, storage: storage,
            registry: DocumentRegistry(store: coordination, keys: keys), clock: clock, settings: settings,
            logger: logger,
            mintName: mintName, entryGuard: entryGuard)
        let neighbours = Mailboxes()
        hosts = (0..<max(1, slotCount)).map { index in
            SlotHost(SlotID(region: region, index: index), world: world) { await neighbours.reclaim($0) }
        }
        neighbours.set(hosts.map(\.mailbox))
    }

    /// Claims and recovers every slot, then serves. What is submitted before waits.
    /// - Throws: when a slot cannot be claimed or its log cannot be read back; nothing is served then.
    package func start() async throws(TidegateError) {
        let failures = await withTaskGroup(of: TidegateError?.self) { group in
            for host in hosts {
                group.addTask {
                    do throws(TidegateError) {
                        try await host.claimAndRecover()
                        return nil
                    } catch {
                        return error
                    }
                }
            }
            var failures: [TidegateError] = []
            for await case let failure? in group { failures.append(failure) }
            return failures
        }
        if let failure = failures.first { throw failure }
        // Unstructured because the slots outlive this call; `drain` and `stop` end and await them.
        tasks.withLock { tasks in tasks = hosts.map { host in Task { await host.run() } } }
    }

    /// Takes no more rows, finishes what is in flight, closes the databases. What cannot be finished within `limit`, because
    /// a store does not take it, is answered `moved` and comes again from the outbox.
    package func drain(within limit: Duration = .seconds(10)) async {
        await withDiscardingTaskGroup { group in
            group.addTask {
                guard (try? await Task.sleep(for: limit)) != nil else { return }
                for host in self.hosts { host.mailbox.post(.stop) }
            }
            await end(with: .drain)
            group.cancelAll()
        }
    }

    /// Ends without finishing: what was in flight is answered `moved` and comes again.
    package func stop() async { await end(with: .stop) }

    private func end(with input: SlotInput) async {
        for host in hosts { host.mailbox.post(input) }
        let running = tasks.withLock { tasks in
            defer { tasks = [] }
            return tasks
        }
        for task in running { await task.value }
        for host in hosts { host.mailbox.close() }
    }

    func host(of gateway: GatewayUID) -> SlotHost {
        hosts[SlotHash.index(of: gateway, count: hosts.count)]
    }

    // MARK: - Records

    package func submit(_ batch: DeliveryBatch, reply: @escaping @Sendable ([RecordVerdict]) -> Void) {
        host(of: batch.gateway).mailbox.submit(batch, reply: reply)
    }

    // MARK: - Logs

    package func logs(of gateway: GatewayUID, _ query: LogQuery) async throws(TidegateError) -> LogPage {
        let (storage, position) = try await host(of: gateway).reading(gateway)
        var page = try await storage.logs(query)
        page.position = position
        return page
    }

    package func analytics(
        of gateway: GatewayUID, _ query: AnalyticsQuery
    ) async throws(TidegateError) -> AnalyticsAnswer {
        let (storage, position) = try await host(of: gateway).reading(gateway)
        return AnalyticsAnswer(rows: try await storage.analytics(query).rows, position: position)
    }

    package func log(
        _ id: RecordID, of gateway: GatewayUID
    ) async throws(TidegateError) -> (row: LogRow, position: LogPosition)? {
        let (storage, position) = try await host(of: gateway).reading(gateway)
        guard var row = try await storage.log(id) else { return nil }
        if let head = await head(of: row.record.requestObject) { row.requestHead = head }
        if let head = await head(of: row.record.responseObject) { row.responseHead = head }
        return (row, position)
    }

    package func body(
        _ part: BodyPart, of id: RecordID, gateway: GatewayUID
    ) async throws(TidegateError) -> BodyAnswer {
        let (storage, position) = try await host(of: gateway).reading(gateway)
        if let body = try await storage.body(part, of: id) { return .kept(body, at: position) }
        guard let record = try await storage.log(id)?.record else { return .none }
        let isRequest = part == .request
        let key = isRequest ? record.requestObject : record.responseObject
        guard !key.isEmpty else { return .none }
        let isCut = record.flags.contains(isRequest ? .requestBodyTruncated : .responseBodyTruncated)
        let object = BodyObject(
            contentType: isRequest ? record.requestContentType : record.responseContentType,
            bytes: isCut ? nil : Int(clamping: isRequest ? record.requestBytes : record.responseBytes)
        ) { [store] range async throws(TidegateError) in try await store.get(key, range: range) }
        return .object(object, at: position)
    }

    /// A row is shown also while the store does not answer.
    private func head(of key: String) async -> [UInt8]? {
        key.isEmpty ? nil : try? await store.get(key, range: 0..<Self.headBytes)
    }

    package func patch(
        _ id: RecordID, of gateway: GatewayUID, _ patch: LogPatch
    ) async throws(TidegateError) -> PatchOutcome {
        let host = host(of: gateway)
        let storage = try await host.reading(gateway).0
        // A row that is there is named by its place: once sealed it cannot be found by its id while entries are applied.
        if let row = try await storage.place(of: id) {
            return .applied(try await host.append(.editRow(lsn: row, patch: patch), to: gateway))
        }
        let entry = GatewayEntry.edit(id: id, patch: patch, atMs: clock.milliseconds())
        let position = try await host.append(entry, to: gateway)
        let isKnown = try await storage.contains(id)
        return isKnown ? .applied(position) : .waiting(position)
    }

    package func delete(
        from gateway: GatewayUID, matching query: LogQuery, limit: Int
    ) async throws(TidegateError) -> (count: Int, position: LogPosition) {
        let host = host(of: gateway)
        let (storage, position) = try await host.reading(gateway)
        // By effect, at most 64 Ki rows an entry (A9).
        let rows = try await storage.matching(query, limit: min(limit, 1 << 16))
        guard !rows.isEmpty else { return (0, position) }
        return (rows.count, try await host.append(.delete(lsns: rows), to: gateway))
    }

    // MARK: - For accounts and status

    package struct SlotStatus: Equatable, Sendable {
        package var slot: SlotID
        package var epoch: Epoch
        package var n: LogIndex
        /// Gateways that are open here.
        package var gateways: Int
        package var isServing: Bool
        /// Committed objects that are lost, with their rows.
        package var holes: [LogIndex]
        /// Where recovery would start.
        package var snapshotN: LogIndex
    }

    package func slotStatus() async -> [SlotStatus] {
        var status: [SlotStatus] = []
        for host in hosts { status.append(await host.status()) }
        return status
    }
}

extension Objects: GatewayLogs {
    /// Appends the gateway's deletion to its log; returns when it is applied.
    package func deleteAll(of gateway: GatewayUID) async throws(TidegateError) {
        _ = try await host(of: gateway).append(.gatewayDeleted, to: gateway)
    }

    package func liveRows(of gateway: GatewayUID) async throws(TidegateError) -> Int64 {
        try await host(of: gateway).reading(gateway).0.state().live
    }

    package func settingsChanged(of gateway: GatewayUID) { host(of: gateway).mailbox.post(.refresh(gateway)) }

    package func slotFence(of gateway: GatewayUID) async -> (slot: SlotID, revision: Revision) {
        let host = host(of: gateway)
        return (host.slot, await host.fence)
    }
}

extension SlotHost {
    func status() -> Objects.SlotStatus {
        Objects.SlotStatus(
            slot: slot, epoch: core?.epoch ?? 0, n: core?.committedN ?? 0,
            gateways: rooms.values.count { $0.state == .open }, isServing: phase == .serving,
            holes: upkeep?.holes ?? [], snapshotN: upkeep?.snapshots?.snapshot.cur?.n ?? 0)
    }
}

/// The node's slots, for asking gateways of an account for rows that they do not use.
private final class Mailboxes: Sendable {
    private let all = Mutex<[SlotMailbox]>([])

    func set(_ mailboxes: [SlotMailbox]) { all.withLock { $0 = mailboxes } }

    func reclaim(_ account: String) async {
        await withDiscardingTaskGroup { group in
            for mailbox in all.withLock({ $0 }) {
                group.addTask {
                    await withCheckedContinuation { continuation in
                        mailbox.post(.giveBack(account: account) { continuation.resume() })
                    }
                }
            }
        }
    }
}
