package import Logging
internal import Synchronization
package import TidegateCore

/// The room's front door: the slots that this node serves, the way in for records, and the answers about logs.
package final class Objects: RecordReceiver, LogService, Sendable {
    private struct Served {
        var host: SlotHost
        /// `nil` while it is claimed and recovered.
        var task: Task<Void, Never>?
    }

    private let served = Mutex<[SlotID: Served]>([:])
    private let world: SlotWorld
    private let homes: any GatewayHomes
    private let reclaimElsewhere: @Sendable (String) async -> Void
    package let endings: AsyncStream<Void>
    private let ending: AsyncStream<Void>.Continuation
    private let clock: any WallClock
    private let store: any ObjectStore
    /// Of a body in an object, shown with its row.
    private static let headBytes = GatewayLog.Limits().headBytes

    /// - Parameters:
    ///   - incarnation: random per process; two processes with one would take each other's claims for their own.
    ///   - entryGuard: tries entries out when owners of a slot have died often lately.
    ///   - mintName: random letters and digits, never the same twice: part of the names of objects.
    ///   - reclaimElsewhere: asks the other nodes for rows that an account's gateways do not use.
    package init(
        homes: any GatewayHomes, incarnation: IncarnationID, coordination: any CoordinationStore,
        store: any ObjectStore, keys: CoordinationKeys, storage: any GatewayStorageProvider, clock: any WallClock,
        settings: ObjectsSettings, logger: Logger,
        mintName: @escaping @Sendable () -> String, entryGuard: any EntryGuard,
        reclaimElsewhere: @escaping @Sendable (String) async -> Void = { _ in }
    ) {
        self.homes = homes
        self.clock = clock
        self.store = store
        self.reclaimElsewhere = reclaimElsewhere
        world = SlotWorld(
            incarnation: incarnation, coordination: coordination, store: store, keys: keys, storage: storage,
            registry: DocumentRegistry(store: coordination, keys: keys), clock: clock, settings: settings,
            logger: logger,
            mintName: mintName, entryGuard: entryGuard)
        (endings, ending) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Claims and recovers `slots`, then serves them.
    /// - Throws: when a slot cannot be claimed or its log cannot be read back; the others are served then.
    package func start(_ slots: [SlotID]) async throws(TidegateError) {
        let failures = await withTaskGroup(of: TidegateError?.self) { group in
            for slot in slots {
                group.addTask {
                    do throws(TidegateError) {
                        try await self.claim(slot, seen: nil)
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
    }

    /// Takes no more rows, finishes what is in flight, closes the databases. What cannot be finished within `limit`, because
    /// a store does not take it, is answered `moved` and comes again from the outbox.
    package func drain(within limit: Duration = .seconds(10)) async {
        await withDiscardingTaskGroup { group in
            group.addTask {
                guard (try? await Task.sleep(for: limit)) != nil else { return }
                for host in self.hosts { host.mailbox.post(.stop) }
            }
            await end(with: .drain(hint: nil))
            group.cancelAll()
        }
    }

    /// Ends without finishing: what was in flight is answered `moved` and comes again.
    package func stop() async { await end(with: .stop) }

    private func end(with input: SlotInput) async {
        let all = served.withLock { $0.values.map { $0 } }
        for one in all { one.host.mailbox.post(input) }
        for one in all { await one.task?.value }
    }

    private var hosts: [SlotHost] { served.withLock { $0.sorted { $0.key < $1.key }.map(\.value.host) } }

    /// - Throws: `.notOwner` when the gateway's slot is not served here, `.gone` when the gateway is no more.
    func host(of gateway: GatewayUID) async throws(TidegateError) -> SlotHost {
        var slot = homes.cachedSlot(of: gateway)
        if slot == nil { slot = try await homes.slot(of: gateway) }
        guard let slot else { throw SlotHost.gone }
        guard let host = served.withLock({ $0[slot]?.host }) else { throw SlotHost.moved(slot) }
        return host
    }

    // MARK: - Records

    package func submit(_ batch: DeliveryBatch, reply: @escaping @Sendable ([RecordVerdict]) -> Void) {
        guard let slot = homes.cachedSlot(of: batch.gateway) else {
            // Rare: a gateway that this node's settings do not have yet, or have no more.
            Task { await self.submitUnknown(batch, reply: reply) }
            return
        }
        submit(batch, to: slot, reply: reply)
    }

    private func submit(
        _ batch: DeliveryBatch, to slot: SlotID, reply: @escaping @Sendable ([RecordVerdict]) -> Void
    ) {
        guard let host = served.withLock({ $0[slot]?.host }) else {
            return reply(Array(repeating: .moved, count: batch.records.count))
        }
        host.mailbox.submit(batch, reply: reply)
    }

    private func submitUnknown(
        _ batch: DeliveryBatch, reply: @escaping @Sendable ([RecordVerdict]) -> Void
    ) async {
        do throws(TidegateError) {
            guard let slot = try await homes.slot(of: batch.gateway) else {
                return reply(Array(repeating: .gone, count: batch.records.count))
            }
            submit(batch, to: slot, reply: reply)
        } catch {
            let verdict = RecordVerdict.later(after: world.settings.overloadedDelay, reason: .unavailable)
            reply(Array(repeating: verdict, count: batch.records.count))
        }
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
        let host = try await host(of: gateway)
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
        let host = try await host(of: gateway)
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
        // What is only being claimed is nobody's yet: the claim may lose.
        return status.filter { $0.epoch > 0 }
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

    package func settingsChanged(of gateway: GatewayUID) {
        guard let slot = homes.cachedSlot(of: gateway) else { return }
        served.withLock { $0[slot]?.host }?.mailbox.post(.refresh(gateway))
    }

    package func slot(of gateway: GatewayUID) async throws(TidegateError) -> SlotID {
        if let slot = homes.cachedSlot(of: gateway) { return slot }
        guard let slot = try await homes.slot(of: gateway) else { throw SlotHost.gone }
        return slot
    }
}

extension Objects: SlotKeeper {
    package func claim(_ slot: SlotID, seen: Epoch?) async throws(TidegateError) {
        let host = SlotHost(slot, world: world) { [weak self] in await self?.reclaim($0) }
        let isNew = served.withLock { served in
            guard served[slot] == nil else { return false }
            served[slot] = Served(host: host)
            return true
        }
        guard isNew else { throw TidegateError(.conflict, "The slot \(slot) is claimed here already.") }
        do throws(TidegateError) {
            try await host.claimAndRecover(seen: seen)
        } catch {
            await host.giveUp()
            forget(slot)
            throw error
        }
        // Unstructured because the slot outlives this call; whoever ends it awaits it.
        let task = Task {
            await host.run()
            self.forget(slot)
        }
        served.withLock { served in
            // It may have ended by now, and somebody else have begun.
            if served[slot]?.host === host { served[slot]?.task = task }
        }
    }

    package func release(_ slot: SlotID, to node: String?) async {
        guard let one = served.withLock({ $0[slot] }) else { return }
        one.host.mailbox.post(.drain(hint: node))
        await one.task?.value
    }

    package var servedSlots: [SlotID] { served.withLock { $0.keys.sorted() } }

    package func abandon(_ slot: SlotID) { served.withLock { $0[slot]?.host }?.mailbox.post(.stop) }

    private func forget(_ slot: SlotID) {
        let host = served.withLock { $0.removeValue(forKey: slot)?.host }
        host?.mailbox.close()
        ending.yield()
    }

    /// Gateways of the account on this node return what they do not use.
    package func giveBack(account: String) async {
        await withDiscardingTaskGroup { group in
            for host in hosts {
                group.addTask {
                    await withCheckedContinuation { continuation in
                        host.mailbox.post(.giveBack(account: account) { continuation.resume() })
                    }
                }
            }
        }
    }

    private func reclaim(_ account: String) async {
        async let elsewhere: Void = reclaimElsewhere(account)
        await giveBack(account: account)
        await elsewhere
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
