internal import Foundation
package import TidegateCore

/// Walks the authority and the object store of an installation and says whether the protocol's invariants hold (protocol
/// §11). Reads only; the databases that it rebuilds lie in a folder of its own.
package struct Auditor: Sendable {
    private let coordination: any CoordinationStore
    private let store: any ObjectStore
    private let keys: CoordinationKeys
    private let scratch: String

    /// - Parameter scratch: a folder that is made and removed; it holds copies of every gateway's database, one slot at a
    ///   time.
    package init(
        coordination: any CoordinationStore, store: any ObjectStore, keys: CoordinationKeys, scratch: String
    ) {
        self.coordination = coordination
        self.store = store
        self.keys = keys
        self.scratch = scratch
    }

    /// - Parameter progress: called before each slot and account, with what is looked at.
    package func run(progress: @escaping @Sendable (String) -> Void) async throws(TidegateError) -> AuditReport {
        defer { try? FileManager.default.removeItem(atPath: scratch) }
        let ledger = AuditLedger()
        let slots = try await slotNames()
        var live: [GatewayUID: Int64] = [:]
        var reports: [AuditReport.Slot] = []
        for slot in slots {
            progress("slot \(slot)")
            let auditor = SlotAuditor(
                slot: slot, coordination: coordination, store: store, keys: keys, scratch: scratch, ledger: ledger)
            let (report, rows) = try await auditor.run()
            reports.append(report)
            live.merge(rows) { $1 }
        }
        try await AccountAuditor(coordination: coordination, store: store, keys: keys, ledger: ledger).run(
            live, progress)
        return await ledger.report(generation: keys.generation, slots: reports)
    }

    private func slotNames() async throws(TidegateError) -> [SlotID] {
        var found: Set<SlotID> = []
        for entry in try await coordination.all(keys.slots) {
            let parts = entry.key.dropFirst(keys.slots.count).split(separator: "/")
            guard parts.count == 3, let index = Int(parts[1]) else { continue }
            found.insert(SlotID(region: String(parts[0]), index: index))
        }
        return found.sorted { ($0.region, $0.index) < ($1.region, $1.index) }
    }
}

extension CoordinationStore {
    /// Every key of a prefix, page by page: not one picture, which no walk needs.
    func all(_ prefix: String) async throws(TidegateError) -> [KeyValue] {
        var entries: [KeyValue] = []
        while true {
            let page = try await range(prefix: prefix, after: entries.last?.key, limit: 500)
            entries += page.entries
            guard page.hasMore, !page.entries.isEmpty else { return entries }
        }
    }
}
