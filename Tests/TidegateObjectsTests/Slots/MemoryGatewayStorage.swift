import Synchronization
import TidegateCore
import TidegateObjects
import TidegateTestKit

/// A gateway's database as plainly as it can be written.
actor MemoryGatewayStorage: GatewayStorage {
    private let store: MemoryObjectStore
    init(_ store: MemoryObjectStore) { self.store = store }

    private(set) var rows: [(lsn: LSN, record: LogRecord)] = []
    private var current = GatewayState()
    private var edited: Set<RecordID> = []
    private(set) var liveMax: Int64 = 0

    func state() -> GatewayState { current }

    func apply(n: LogIndex, epoch: Epoch, _ entries: [CommittedEntry]) -> Int64 {
        guard n > current.appliedN else { return current.live }
        for committed in entries {
            switch committed.entry {
            case .record(let stream, let sequence, let id, _, let payload):
                current.streams[stream] = StreamMark(sequence: sequence, id: id)
                if let record = try? LogRecord(encoded: payload) { rows.append((committed.lsn, record)) }
            case .skip(let stream, let sequence, let id, _):
                current.streams[stream] = StreamMark(sequence: sequence, id: id)
            case .edit(let id, _, _): edited.insert(id)
            case .delete(let lsns): rows.removeAll { lsns.contains($0.lsn.rawValue) }
            case .evict(let through): rows.removeAll { $0.lsn.rawValue <= through }
            case .gatewayDeleted:
                rows = []
                current.streams = [:]
                current.isDeleted = true
            case .editRow(let lsn, _): edited.formUnion(rows.filter { $0.lsn.rawValue == lsn }.map(\.record.id))
            case .sealed, .compacted, .collected: break
            }
        }
        current.appliedN = n
        current.live = Int64(rows.count)
        liveMax = max(liveMax, current.live)
        return current.live
    }

    func logs(_ query: LogQuery) -> LogPage {
        LogPage(
            rows: rows.map { LogRow(record: $0.record, lsn: $0.lsn, createdAtMs: 0) }, totalCount: Int64(rows.count))
    }
    func log(_ id: RecordID) -> LogRow? {
        rows.first { $0.record.id == id }.map { LogRow(record: $0.record, lsn: $0.lsn, createdAtMs: 0) }
    }
    func body(_ part: BodyPart, of id: RecordID) -> StoredBody? { nil }
    func contains(_ id: RecordID) -> Bool { rows.contains { $0.record.id == id } }
    func sealingState() -> SealingReport { SealingReport(SealingState()) }
    nonisolated func propose(_ request: SegmentRequest) -> SegmentProposal? { nil }
    func segmentObjects() -> [String] { [] }
    func tidy() -> Bool { false }
    func analytics(_ query: AnalyticsQuery) -> AnalyticsAnswer { AnalyticsAnswer(rows: [], position: nil) }
    func place(of id: RecordID) -> UInt64? { rows.first { $0.record.id == id }?.lsn.rawValue }
    func matching(_ query: LogQuery, limit: Int) -> [UInt64] { rows.prefix(limit).map(\.lsn.rawValue) }
    func oldest(_ count: Int) -> UInt64? { rows.prefix(count).last?.lsn.rawValue }
    func pin(asCopy: Bool) -> any PinnedContent {
        MemoryPin(
            appliedN: current.appliedN, objects: store,
            content: MemoryContent(rows: rows, state: current, edited: edited)
        )
    }
    func garbage(through n: LogIndex) -> [String] { [] }
    func bodies(namedAmong keys: Set<String>) -> Set<String> {
        keys.intersection(rows.flatMap { [$0.record.requestObject, $0.record.responseObject] })
    }
    func take(_ content: MemoryContent) { (rows, current, edited) = (content.rows, content.state, content.edited) }
    func close() {}
    nonisolated func agedRows(_ limit: AgeLimit) -> AgedRows? { nil }
    func destroy() {
        rows = []
        current = GatewayState()
    }
}

struct MemoryContent: Sendable {
    var rows: [(lsn: LSN, record: LogRecord)]
    var state: GatewayState
    var edited: Set<RecordID>
}

/// Copies lie beside the object store, which has only their names.
struct MemoryPin: PinnedContent {
    static let copies = Mutex<[String: MemoryContent]>([:])
    let appliedN: LogIndex
    let objects: MemoryObjectStore
    let content: MemoryContent

    func store(at key: String) async throws -> SnapshotManifest.Item {
        try await objects.put(Array(key.utf8), at: key)
        Self.copies.withLock { $0[key] = content }
        return SnapshotManifest.Item(
            uid: String(key.split(separator: "/")[2]), key: key, crc: 0, size: 0, appliedN: appliedN)
    }
    func letGo() async {}
}

/// Keeps databases by gateway, so that a restart may find them or not.
final class MemoryGatewayStorages: GatewayStorageProvider {
    let store = Mutex(MemoryObjectStore())
    private let all = Mutex<[GatewayUID: MemoryGatewayStorage]>([:])

    func open(
        _ gateway: GatewayUID, slot: SlotID, from base: SnapshotManifest.Item?
    ) async -> any GatewayStorage {
        let storage = all.withLock { all in
            let storage = all[gateway] ?? MemoryGatewayStorage(store.withLock { $0 })
            all[gateway] = storage
            return storage
        }
        if let base, await storage.state().appliedN < base.appliedN,
            let content = MemoryPin.copies.withLock({ $0[base.key] })
        {
            await storage.take(content)
        }
        return storage
    }

    func storage(_ gateway: GatewayUID) -> MemoryGatewayStorage? { all.withLock { $0[gateway] } }
}
