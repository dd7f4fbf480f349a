internal import Crypto
internal import GRDB
internal import TidegateCore

/// SHA-256 over the logical content of a database: equal for every replay of the same entries, however they were batched
/// and however bodies were compressed.
enum ContentHash {
    static func hash(_ db: Database, _ meta: DatabaseMeta) throws -> String {
        var hash = SHA256()
        hash.add("live \(meta.live) deleted \(meta.isDeleted)")
        for (table, columns, order) in tables {
            hash.add(table)
            try db.runOnce("SELECT * FROM \(table) ORDER BY \(order)", []) { row in
                for column in 0..<columns { hash.add(row.value(column)) }
            }
        }
        hash.add("quarantine")
        try db.runOnce("SELECT lsn, reason, content FROM quarantine ORDER BY place", []) { row in
            hash.add(row.value(0))
            hash.add(row.value(1))
            hash.add(bytes: row.blob(2))
        }
        hash.add("segment content")
        try db.runOnce("SELECT runs, zone, bodyObjects FROM segment ORDER BY first", []) { row in
            for column in 0..<3 as Range<Int32> { hash.add(bytes: row.blob(column)) }
        }
        hash.add("body")
        try db.runOnce("SELECT \(HotBodyBlock.columns) FROM body ORDER BY first", []) { row in
            try HotBodyBlock.read(row).forEach { lsn, bytes in
                guard lsn > meta.sealedThrough else { return }
                hash.add(.integer(lsn))
                hash.add(bytes: Array(bytes))
            }
        }
        return hash.finalize().map { byte in
            let digits = String(byte, radix: 16)
            return digits.count == 1 ? "0" + digits : digits
        }.joined()
    }

    private static let tables: [(name: String, columns: Int32, order: String)] = [
        ("log", 39, "lsn"), ("overlay", 7, "lsn"), ("orphan_overlay", 10, "idHigh, idLow"),
        ("stream", 5, "idHigh, idLow"), ("rollup", 16, "start, provider, model, statusClass, cached"),
        ("rollup_hour", 16, "start, provider, model, statusClass, cached"),
        ("segment", 14, "first"), ("tombstone", 1, "lsn"), ("garbage", 2, "key"),
    ]
}

extension SHA256 {
    fileprivate mutating func add(_ value: SQLValue) {
        switch value {
        case .null: add(bytes: [0])
        case .integer(let value): add("i\(value)")
        case .real(let value): add("r\(value.bitPattern)")
        case .text(let value): add("t" + value)
        }
    }

    fileprivate mutating func add(_ text: String) { add(bytes: Array(text.utf8)) }

    /// With their count, so that neighbours cannot trade bytes.
    fileprivate mutating func add(bytes: [UInt8]) {
        withUnsafeBytes(of: UInt64(bytes.count).littleEndian) { update(bufferPointer: $0) }
        update(data: bytes)
    }
}
