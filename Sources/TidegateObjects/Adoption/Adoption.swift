internal import Foundation
package import TidegateCore

/// After the coordination store was restored from a backup: rolls every slot's head forward along the log in the object
/// store, and starts a new generation, in which no name of the lost time can be used again (A6).
package struct Adoption: Sendable {
    package struct Report: Equatable, Sendable, Codable {
        package struct Slot: Equatable, Sendable, Codable {
            package var slot: String
            package var epoch: UInt64
            /// Where the restored authority thought the log ended, and where it does.
            package var restoredN: UInt64
            package var n: UInt64
            package var rows: Int64
        }

        package var isDryRun: Bool
        package var fromGeneration: Int
        package var toGeneration: Int
        package var slots: [Slot]
        /// Keys copied from the old generation.
        package var documents: Int
        package var notes: [String]
    }

    private let coordination: any CoordinationStore
    private let store: any ObjectStore
    private let scratch: String
    private static let putsMax = 100

    package init(coordination: any CoordinationStore, store: any ObjectStore, scratch: String) {
        self.coordination = coordination
        self.store = store
        self.scratch = scratch
    }

    /// - Parameter generation: the new one; `nil` is the next.
    /// - Throws: `.conflict` while a node runs, `.corrupt` when objects are missing; nothing is changed then.
    package func run(
        to generation: Int?, isDryRun: Bool, progress: @escaping @Sendable (String) -> Void
    ) async throws(TidegateError) -> Report {
        defer { try? FileManager.default.removeItem(atPath: scratch) }
        let old = try await CoordinationKeys.present(in: coordination)
        let new = CoordinationKeys(generation: generation ?? old.generation + 1)
        guard new.generation > old.generation else {
            throw TidegateError(
                .invalidConfiguration,
                "Generation \(new.generation) is not newer than the present one, \(old.generation).")
        }
        if let running = try await coordination.range(prefix: old.incarnations, after: nil, limit: 1).entries.first {
            throw TidegateError(
                .conflict, "A node runs (\(running.key)): stop every node, wait ten seconds, and try again.")
        }
        var slots: [AdoptedSlot] = []
        for slot in try await slotNames(old) {
            progress("slot \(slot)")
            slots.append(
                try await SlotAdoption(
                    slot: slot, coordination: coordination, store: store, keys: old, scratch: scratch
                ).run())
        }
        var notes: [String] = []
        let documents = try await documents(old, new, slots, &notes)
        if !isDryRun { try await write(documents, slots, old, new, progress) }
        return Report(
            isDryRun: isDryRun, fromGeneration: old.generation, toGeneration: new.generation,
            slots: slots.map {
                Report.Slot(
                    slot: $0.slot.description, epoch: $0.owner.epoch, restoredN: $0.restoredN, n: $0.head?.n ?? 0,
                    rows: $0.live.values.reduce(0, +))
            }, documents: documents.count, notes: notes)
    }

    /// Those that the authority knows, and those that only the object store does.
    private func slotNames(_ keys: CoordinationKeys) async throws(TidegateError) -> [SlotID] {
        var found: Set<SlotID> = []
        for entry in try await coordination.all(keys.slots) {
            found.insert(SlotID(parts: entry.key.dropFirst(keys.slots.count).split(separator: "/")))
        }
        for key in try await store.all(keys.logObjects) {
            found.insert(SlotID(parts: key.dropFirst(keys.logObjects.count).split(separator: "/")))
        }
        return found.filter { $0.index >= 0 }.sorted { ($0.region, $0.index) < ($1.region, $1.index) }
    }

    /// Everything but slots and what lived under leases, under the new prefix.
    private func documents(
        _ old: CoordinationKeys, _ new: CoordinationKeys, _ slots: [AdoptedSlot], _ notes: inout [String]
    ) async throws(TidegateError) -> [String: [UInt8]] {
        var documents: [String: [UInt8]] = [:]
        for entry in try await coordination.all(old.all) {
            let name = String(entry.key.dropFirst(old.all.count))
            if ["slot/", "route/", "inc/", "vote/"].contains(where: { name.hasPrefix($0) }) { continue }
            documents[new.all + name] = entry.value
        }
        let ended = Set(slots.flatMap(\.ended))
        var live: [GatewayUID: Int64] = [:]
        for slot in slots { live.merge(slot.live) { $1 } }
        var known: Set<GatewayUID> = []
        for (key, value) in documents where key.hasPrefix(new.accounts) && key.contains("/gw/") {
            let entry = KeyValue(key: key, value: value, createRevision: 0, modRevision: 0)
            var gateway: GatewayDocument = try DocumentCoding.decode(from: entry)
            guard let uid = GatewayUID(hex: gateway.uid) else { continue }
            known.insert(uid)
            let account = String(key.dropFirst(new.accounts.count).prefix { $0 != "/" })
            if ended.contains(uid), gateway.state != .deleting {
                gateway.state = .deleting  // deleted in the lost time: the next node finishes it
                documents[key] = try DocumentCoding.encode(gateway)
                notes.append("\(account): a gateway deleted after the backup (\(uid)) is deleted again")
            }
            try Self.raise(uid, of: account, to: live[uid] ?? 0, keys: new, &documents)
        }
        for (uid, rows) in live.sorted(by: { $0.key < $1.key }) where !known.contains(uid) && rows > 0 {
            notes.append("gateway \(uid) with \(rows) rows was made after the backup: its name and settings are lost")
        }
        return documents
    }

    /// A gateway may hold more than the restored documents allow it: rows of the lost time.
    private static func raise(
        _ uid: GatewayUID, of account: String, to rows: Int64, keys: CoordinationKeys,
        _ documents: inout [String: [UInt8]]
    ) throws(TidegateError) {
        func read<Document: Decodable>(_ key: String) throws(TidegateError) -> Document? {
            try documents[key].map { value throws(TidegateError) in
                try DocumentCoding.decode(
                    from: KeyValue(key: key, value: value, createRevision: 0, modRevision: 0))
            }
        }
        let quota: QuotaDocument? = try read(keys.quota(account, uid))
        guard rows > quota?.allowance ?? 0, var document: AccountDocument = try read(keys.account(account)) else {
            return
        }
        document.allocated += rows - (quota?.allowance ?? 0)
        documents[keys.account(account)] = try DocumentCoding.encode(document)
        documents[keys.quota(account, uid)] = try DocumentCoding.encode(QuotaDocument(allowance: rows))
    }

    /// The last write makes it the present generation. A crash before it leaves keys that nobody reads, and which the next
    /// attempt removes.
    private func write(
        _ documents: [String: [UInt8]], _ slots: [AdoptedSlot], _ old: CoordinationKeys, _ new: CoordinationKeys,
        _ progress: @Sendable (String) -> Void
    ) async throws(TidegateError) {
        var operations: [CoordinationTransaction.Operation] = []
        for entry in try await coordination.all(new.all) { operations.append(.delete(key: entry.key)) }
        for (key, value) in documents.sorted(by: { $0.key < $1.key }) {
            operations.append(.put(key: key, value: value))
        }
        for slot in slots {
            operations.append(.put(key: new.owner(slot.slot), value: try DocumentCoding.encode(slot.owner)))
            if let head = slot.head {
                operations.append(.put(key: new.head(slot.slot), value: try DocumentCoding.encode(head)))
            }
            operations.append(.put(key: new.snapshot(slot.slot), value: try DocumentCoding.encode(slot.snapshot)))
        }
        progress("writing \(operations.count) keys")
        for start in stride(from: 0, to: operations.count, by: Self.putsMax) {
            let part = Array(operations[start..<min(start + Self.putsMax, operations.count)])
            _ = try await coordination.commit(CoordinationTransaction(then: part))
        }
        let present = try await coordination.get(CoordinationKeys.present)
        let outcome = try await coordination.commit(
            CoordinationTransaction(
                compare: [.modRevision(key: CoordinationKeys.present, equals: present?.modRevision ?? 0)],
                then: [.put(key: CoordinationKeys.present, value: Array("\(new.generation)".utf8))]))
        guard outcome.succeeded else {
            throw TidegateError(.conflict, "Somebody else adopted at the same time: look at their generation first.")
        }
    }
}

extension SlotID {
    /// `region`, `index`, …; index −1 when they name no slot.
    fileprivate init(parts: [Substring]) {
        self.init(region: parts.first.map(String.init) ?? "", index: parts.count >= 3 ? Int(parts[1]) ?? -1 : -1)
    }
}
