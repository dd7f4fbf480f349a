import Synchronization
import TidegateCore
import TidegateObjects

/// A gateway's database as plainly as it can be written.
actor MemoryGatewayStorage: GatewayStorage {
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
    func matching(_ query: LogQuery, limit: Int) -> [UInt64] { rows.prefix(limit).map(\.lsn.rawValue) }
    func oldest(_ count: Int) -> UInt64? { rows.prefix(count).last?.lsn.rawValue }
    func close() {}
    func destroy() {
        rows = []
        current = GatewayState()
    }
}

/// Keeps databases by gateway, so that a restart may find them or not.
final class MemoryGatewayStorages: GatewayStorageProvider {
    private let all = Mutex<[GatewayUID: MemoryGatewayStorage]>([:])

    func open(_ gateway: GatewayUID, slot: SlotID) -> any GatewayStorage {
        all.withLock { all in
            let storage = all[gateway] ?? MemoryGatewayStorage()
            all[gateway] = storage
            return storage
        }
    }

    func storage(_ gateway: GatewayUID) -> MemoryGatewayStorage? { all.withLock { $0[gateway] } }
}
