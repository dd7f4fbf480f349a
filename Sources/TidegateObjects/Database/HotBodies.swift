internal import GRDB
internal import TidegateCore

/// Hot rows' bodies: those of up to 64 neighbours side by side in one line of table `body`, packed as a block of a segment's
/// pack is. So they are packed once: a seal copies whole blocks, and neither inserts nor deletes bodies row by row.
/// Lines do not overlap, and hold bodies of rows that are in `log`; a seal's rows stay in them until `SealedRows` comes by.
struct HotBodyBlock {
    /// LSN and bytes of each row that has bodies, ascending.
    var rows: [(lsn: Int64, count: Int)]
    let form: Int64
    let raw: Int
    let content: [UInt8]

    static let table = """
        CREATE TABLE body(
            first INTEGER PRIMARY KEY, last INTEGER NOT NULL, codec INTEGER NOT NULL, raw INTEGER NOT NULL,
            rows BLOB NOT NULL, content BLOB NOT NULL)
        """
    static let columns = "first, rows, codec, raw, content"

    /// - Parameter row: of `columns`.
    static func read(_ row: SQLColumns) throws(TidegateError) -> HotBodyBlock {
        var reader = ByteReader(row.blob(1))
        var rows: [(lsn: Int64, count: Int)] = []
        var lsn = row.integer(0)
        while !reader.isAtEnd {
            lsn = lsn.adding(Int64(clamping: try reader.varint()))
            rows.append((lsn, try reader.length()))
        }
        return HotBodyBlock(
            rows: rows, form: row.integer(2), raw: Int(clamping: row.integer(3)), content: row.blob(4))
    }

    /// The block that may hold the row's bodies.
    static func around(_ lsn: Int64, _ db: Database) throws -> HotBodyBlock? {
        var found: HotBodyBlock?
        try db.run("SELECT \(columns) FROM body WHERE first <= ? ORDER BY first DESC LIMIT 1", [.integer(lsn)]) {
            found = try read($0)
        }
        return found
    }

    var plain: [UInt8] {
        get throws(TidegateError) { try BodyCodec.unpack(form, content, count: raw) }
    }

    /// Each row's bodies, in order.
    func forEach(_ body: (Int64, ArraySlice<UInt8>) throws -> Void) throws {
        let plain = try plain
        var position = 0
        for row in rows {
            guard row.count <= plain.count - position else {
                throw TidegateError(.corrupt, "A block of bodies does not fit its rows.")
            }
            try body(row.lsn, plain[position..<(position + row.count)])
            position += row.count
        }
    }
}

/// Gathers the bodies of one transaction's rows into blocks.
struct HotBodyWriter {
    private var plain: [UInt8] = []
    private var rows = ByteWriter()
    private var (first, last, count) = (Int64(0), Int64(0), 0)

    /// - Parameter parts: of one row, in ascending order of rows.
    mutating func append(_ parts: [ArraySlice<UInt8>], lsn: Int64, _ codec: BodyCodec, _ db: Database) throws {
        let size = parts.reduce(0) { $0 + $1.count }
        guard size > 0 else { return }
        if count >= BodyBlock.rowsMax || count > 0 && plain.count + size > BodyBlock.bytesMax { try flush(codec, db) }
        if count == 0 { (first, last) = (lsn, lsn) }
        rows.varint(UInt64(clamping: lsn - last))
        rows.varint(UInt64(size))
        (last, count) = (lsn, count + 1)
        for part in parts { plain.append(contentsOf: part) }
    }

    mutating func flush(_ codec: BodyCodec, _ db: Database) throws {
        guard count > 0 else { return }
        var statement = try db.prepared("INSERT OR REPLACE INTO body VALUES(?, ?, ?, ?, ?, ?)")
        try codec.pack(plain) { form, bytes in
            statement.bind(first)
            statement.bind(last)
            statement.bind(form.rawValue)
            statement.bind(Int64(plain.count))
            try rows.bytes.withUnsafeBytes {
                statement.bind(lent: $0)
                statement.bind(lent: bytes)
                try statement.run()
            }
        }
        plain.removeAll(keepingCapacity: plain.count <= BodyBlock.bytesMax)
        (rows, count) = (ByteWriter(), 0)
    }
}

extension HotBodyBlock {
    /// Takes rows' bodies out, those of their neighbours stay.
    ///
    /// - Parameter lsns: ascending.
    static func remove(_ lsns: [Int64], _ codec: BodyCodec, _ db: Database) throws {
        var rest = lsns[...]
        while let lsn = rest.first {
            guard let block = try around(lsn, db), let last = block.rows.last?.lsn, last >= lsn else {
                rest = rest.dropFirst()
                continue
            }
            let gone = Set(rest.prefix { $0 <= last })
            rest = rest.dropFirst(gone.count)
            try block.rewrite(codec, db) { !gone.contains($0) }
        }
    }

    /// Takes the bodies of all rows up to `end` out.
    static func remove(through end: Int64, _ codec: BodyCodec, _ db: Database) throws {
        try around(end, db)?.rewrite(codec, db) { $0 > end }
        try db.run("DELETE FROM body WHERE first <= ?", [.integer(end)])
    }

    private func rewrite(_ codec: BodyCodec, _ db: Database, keeping: (Int64) -> Bool) throws {
        guard let first = rows.first?.lsn, !rows.allSatisfy({ keeping($0.lsn) }) else { return }
        try db.run("DELETE FROM body WHERE first = ?", [.integer(first)])
        var writer = HotBodyWriter()
        try forEach { lsn, bytes in
            if keeping(lsn) { try writer.append([bytes], lsn: lsn, codec, db) }
        }
        try writer.flush(codec, db)
    }
}
