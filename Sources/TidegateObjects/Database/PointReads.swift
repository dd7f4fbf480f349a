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
        var stored: (form: Int64, content: [UInt8])?
        try db.run("SELECT codec, content FROM body WHERE lsn = ?", [.integer(row.lsn.stored)]) {
            stored = ($0.integer(0), $0.blob(1))
        }
        guard let stored else { return nil }
        let (count, overflow) = row.keptRequestBytes.addingReportingOverflow(row.keptResponseBytes)
        return try BodyCodec.unpack(stored.form, stored.content, count: overflow ? -1 : count)
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
