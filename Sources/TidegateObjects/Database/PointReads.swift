internal import GRDB
internal import TidegateCore

/// Reads of one row by its id.
enum PointReads {
    static func row(_ id: RecordID, gateway: GatewayUID, _ db: Database) throws -> LogRow? {
        var found: LogRow?
        try db.run(
            "SELECT \(RowColumns.selection) FROM \(RowColumns.tables) WHERE log.idHigh = ? AND log.idLow = ?",
            [.integer(id.high), .integer(id.low)]
        ) { found = RowColumns.read($0, gateway: gateway) }
        return found
    }

    /// Both bodies in a row; `nil` when none was kept.
    static func bodies(of row: LogRow, _ db: Database) throws -> [UInt8]? {
        var found: [UInt8]?
        try HotBodyBlock.around(row.lsn.stored, db)?.forEach { lsn, bytes in
            if lsn == row.lsn.stored { found = Array(bytes) }
        }
        guard let found else { return nil }
        let (count, overflow) = row.keptRequestBytes.addingReportingOverflow(row.keptResponseBytes)
        guard !overflow, found.count == count else {
            throw TidegateError(.corrupt, "The stored bodies do not fit their row.")
        }
        return found
    }
}

extension GatewayEntry {
    /// Whether pages that were numbered before now start elsewhere.
    var removesRows: Bool {
        switch self {
        case .delete, .evict, .gatewayDeleted: true
        case .record, .skip, .edit, .editRow, .sealed, .compacted, .collected: false
        }
    }

    /// About how much of the WAL an entry fills.
    var estimatedBytes: Int64 {
        switch self {
        case .record(_, _, _, _, let payload): Int64(payload.count) + 1_024
        case .delete(let lsns): Int64(lsns.count) * 2_048
        case .skip, .edit, .editRow: 512
        case .compacted(_, let segments): segments.reduce(4_096) { $0 + Int64($1.runs.count + $1.zone.count) }
        case .sealed: 8 << 20
        case .evict, .gatewayDeleted, .collected: 1 << 20
        }
    }
}
