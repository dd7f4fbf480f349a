import Foundation
import TidegateCore
import TidegateObjects

/// A gateway's log with its rows told a second time in memory, and every entry that was applied.
final class SealedGateway {
    let log: GatewayLog
    private(set) var rows: [UInt64: LogRow] = [:]
    private(set) var history: [[CommittedEntry]] = []
    private var records: [UInt64: LogRecord] = [:]
    private var keys = CoordinationKeys()
    private var serial: UInt64 = 0
    private(set) var sealed = 0
    private(set) var compacted = 0
    var indexesBodies = false
    var hasSegments: Bool { sealed > 0 }

    init(_ log: GatewayLog) { self.log = log }

    var n: LogIndex { LogIndex(history.count) }
    var shown: [LogRow] { rows.values.sorted { $0.lsn < $1.lsn } }
    func record(_ lsn: LSN) -> LogRecord? { records[lsn.rawValue] }

    func apply(_ entries: [GatewayEntry]) async throws {
        let n = n + 1
        let committed = entries.enumerated().map {
            CommittedEntry(lsn: LSN(n: n, index: $0.offset), entry: $0.element)
        }
        history.append(committed)
        let live = try await log.apply(n: n, epoch: 1, committed)
        for entry in committed { note(entry) }
        guard live == Int64(rows.count) else {
            throw TidegateError(.internalError, "live is \(live), not \(rows.count), after \(entries.map(Self.name))")
        }
    }

    private static func name(_ entry: GatewayEntry) -> String { String("\(entry)".prefix(24)) }

    private func note(_ committed: CommittedEntry) {
        switch committed.entry {
        case .record(_, _, _, let receivedAtMs, let payload):
            guard let record = try? LogRecord(encoded: payload) else { return }
            records[committed.lsn.rawValue] = record
            var row = LogRow(
                record: record, lsn: committed.lsn, createdAtMs: min(record.startedAtMs, receivedAtMs + 2_000))
            (row.record.requestBody, row.record.responseBody) = ([], [])
            rows[committed.lsn.rawValue] = row
        case .delete(let lsns): for lsn in lsns { rows[lsn] = nil }
        case .edit(let id, let patch, _):
            if let lsn = rows.values.first(where: { $0.record.id == id })?.lsn.rawValue { change(lsn, patch) }
        case .editRow(let lsn, let patch): change(lsn, patch)
        case .evict(let through): rows = rows.filter { $0.key > through }
        case .skip, .gatewayDeleted, .sealed, .compacted, .collected: break
        }
    }

    private func change(_ lsn: UInt64, _ patch: LogPatch) {
        if let feedback = patch.feedback { rows[lsn]?.feedback = feedback }
        if let score = patch.score { rows[lsn]?.score = score }
        if let metadata = patch.metadata { rows[lsn]?.metadata = metadata ?? "" }
    }

    func insert(_ count: Int, _ seed: inout DatabaseSeed) async throws {
        let first = records.count
        try await apply(
            (0..<count).map { index in
                let record = DatabaseFixture.record(&seed, first + index)
                let sequence = UInt64(first + index + 1)
                return .record(
                    stream: DatabaseFixture.stream, sequence: sequence, id: record.id,
                    receivedAtMs: DatabaseFixture.baseMs + Int64(sequence) * 100, payload: record.encoded()[...])
            })
    }

    private func key() -> String {
        serial += 1
        return keys.segment(DatabaseFixture.gateway, epoch: 1, rand: "\(serial)")
    }

    /// - Parameter meanwhile: what is committed between making the segment and its entry.
    func seal(meanwhile: () async throws -> Void = {}) async throws {
        guard let proposal = try await log.propose(SegmentRequest(.seal, key: key(), indexesBodies: indexesBodies))
        else { return }
        try await meanwhile()
        try await apply([proposal.entry])
        sealed += 1
        // The file is tidied up at once, later, or half-way: nobody may see a difference.
        switch sealed % 4 {
        case 1: while try await log.tidy() {}
        case 2: _ = try await log.tidy()
        default: break
        }
    }

    func compact(_ keys: [String], meanwhile: () async throws -> Void = {}) async throws {
        guard
            let proposal = try await log.propose(
                SegmentRequest(.compact(keys), key: key(), indexesBodies: indexesBodies))
        else { return }
        try await meanwhile()
        try await apply([proposal.entry])
        compacted += 1
    }

    /// Deletes, edits or evicts something.
    func disturb(_ seed: inout DatabaseSeed) async throws {
        let all = shown
        guard let row = all.randomElement(using: &seed) else { return }
        switch Int.random(in: 0..<12, using: &seed) {
        case 0..<4:
            let more = (0..<Int.random(in: 0...3, using: &seed)).compactMap { _ in all.randomElement(using: &seed) }
            // Also rows that are no more, and places that never held one.
            let past = records.keys.min() ?? 1
            try await apply([.delete(lsns: [row.lsn.rawValue, past, past + 1 << 19] + more.map(\.lsn.rawValue))])
        case 4..<11:
            let patch = LogPatch(
                feedback: seed.pick([nil, .some(nil), .some(1), .some(-1)]), score: seed.pick([nil, 5, .some(nil)]),
                metadata: seed.pick([nil, .some(nil), "{\"team\":\"edited\"}"]))
            try await apply([.editRow(lsn: row.lsn.rawValue, patch: patch)])
        default:
            guard let through = try await log.oldest(Int.random(in: 1...20, using: &seed)) else { return }
            try await apply([.evict(through: through)])
        }
    }
}
