internal import Foundation
internal import GRDB
internal import TidegateCore

/// What a seal or a compaction made, as files that wait to be stored. Belongs to whoever made it; its files go with it,
/// unless the cache took them.
final class BuiltSegment: Sendable {
    let description: SegmentDescription
    let file: String
    let compressed: String
    /// `nil` when no row has a body.
    let pack: String?

    init(_ description: SegmentDescription, file: String, compressed: String, pack: String?) {
        (self.description, self.file, self.compressed, self.pack) = (description, file, compressed, pack)
    }

    deinit {
        for path in [file, compressed, pack].compactMap(\.self) { try? FileManager.default.removeItem(atPath: path) }
    }
}

/// Bounds of one segment.
package struct SegmentLimits: Equatable, Sendable {
    package var rowsMax = 50_000
    /// Of rows and bodies before compression; one row always fits.
    package var bytesMax = 64 << 20
    /// Large bodies by their keys: the entry and the hot database list them.
    package var bodyObjectsMax = 4_096
    package init() {}
}

/// Makes a segment from the oldest hot rows, or one from several. Reads the hot database through one transaction on a
/// connection of its own, so that the result is exact for one `asOf`. Blocks: for a database thread.
struct SegmentBuilder: Sendable {
    /// Path of the hot database.
    let hot: String
    /// Where files are made, and their names' beginning.
    let folder: String
    let limits: SegmentLimits
    private let index: BodyIndex?

    init(_ segments: Segments, hot: String, indexesBodies: Bool) {
        (self.hot, folder, limits) = (hot, segments.workFolder, segments.settings.limits)
        index = indexesBodies ? BodyIndex() : nil
    }

    /// - Returns: `nil` when there are no hot rows.
    func seal(key: String) throws -> BuiltSegment? {
        try build(key: key, attaching: [hot]) { db, pack in
            let asOf = try applied(db)
            var (end, rows, bytes, objects) = (Int64(-1), 0, 0, 0)
            try db.runOnce(
                """
                SELECT lsn, keptRequest + keptResponse, (requestObject <> '') + (responseObject <> ''),
                    length(metadata) + length(path) FROM a0.log ORDER BY lsn LIMIT ?
                """, [.integer(Int64(limits.rowsMax))]
            ) { row in
                rows += 1
                bytes += 400 + Int(clamping: row.integer(1)) + Int(clamping: row.integer(3))
                objects += Int(clamping: row.integer(2))
                guard rows == 1 || end >= 0 && bytes <= limits.bytesMax && objects <= limits.bodyObjectsMax else {
                    bytes = .max / 2  // nothing behind the first row that does not fit
                    return
                }
                end = row.integer(0)
            }
            let range = [SQLValue.integer(end)]
            try db.run("INSERT INTO main.log SELECT * FROM a0.log WHERE lsn <= ? ORDER BY lsn", range)
            try db.run(
                "INSERT INTO main.overlay SELECT * FROM a0.overlay WHERE lsn <= ? AND lsn IN (SELECT lsn FROM main.log)",
                range)
            var sealed: Int64 = 0
            try db.run("SELECT sealedThrough FROM a0.meta") { sealed = $0.integer(0) }
            try db.runOnce(
                "SELECT \(HotBodyBlock.columns) FROM a0.body WHERE first <= ? AND last > ? ORDER BY first",
                [.integer(end), .integer(sealed)]
            ) { try append(try HotBodyBlock.read($0), behind: sealed, through: end, to: &pack, db) }
            return asOf
        }
    }

    /// A block that is full enough is taken over as it is; others are packed anew, together.
    private func append(
        _ block: HotBodyBlock, behind sealed: Int64, through end: Int64, to pack: inout BodyPackWriter, _ db: Database
    ) throws {
        guard let first = block.rows.first?.lsn, let last = block.rows.last?.lsn else { return }
        let isFull = block.rows.count >= BodyBlock.rowsMax / 2 || block.raw >= BodyBlock.bytesMax / 2
        let isTakenOver = isFull && first > sealed && last <= end && block.form == BodyCodec.Form.zstd.rawValue
        if isTakenOver { try pack.append(block.content, raw: block.raw, first...last, db) }
        guard !isTakenOver || index != nil else { return }
        try block.forEach { lsn, bytes in
            guard lsn > sealed, lsn <= end else { return }
            try index?.add(bytes, lsn: lsn, db)
            if !isTakenOver { try pack.append(Array(bytes), lsn: lsn, db) }
        }
    }

    /// - Parameter sources: neighbours, oldest first, at most 8.
    /// - Returns: `nil` when all their rows are deleted.
    /// - Throws: `.conflict` when one of them is not part of the log any more.
    func compact(_ sources: [SegmentSource], key: String) throws -> BuiltSegment? {
        try build(key: key, attaching: [hot] + sources.map(\.lease.path)) { db, pack in
            let asOf = try applied(db)
            for (index, source) in sources.enumerated() {
                let from = "a\(index + 1)"
                var isThere = false
                try db.run("SELECT 1 FROM a0.segment WHERE key = ?", [.text(source.key)]) { _ in isThere = true }
                guard isThere else { throw TidegateError(.conflict, "A segment was replaced while it was rewritten.") }
                try db.runOnce(
                    """
                    INSERT INTO main.log SELECT * FROM \(from).log
                        WHERE lsn NOT IN (SELECT lsn FROM a0.tombstone) ORDER BY lsn
                    """, []
                ) { _ in }
                try db.runOnce(
                    """
                    INSERT INTO main.overlay SELECT * FROM \(from).overlay WHERE lsn IN (SELECT lsn FROM main.log)
                    """, []
                ) { _ in }
                if let path = source.pack { try copy(path, from, db, &pack) }
            }
            try OverlayColumns.merge(from: "a0", into: "main", db)
            return asOf
        }
    }

    /// Bodies of the rows that stay, block by block.
    private func copy(_ path: String, _ from: String, _ db: Database, _ pack: inout BodyPackWriter) throws {
        var blocks: [BodyBlock] = []
        try db.runOnce("SELECT * FROM \(from).block ORDER BY first", []) { blocks.append(.read($0)) }
        let file = try FileHandle.opened(reading: path)
        defer { try? file.close() }
        for block in blocks {
            try file.seek(toOffset: UInt64(clamping: block.offset))
            let stored = try file.read(upToCount: Int(clamping: block.stored)).map { [UInt8]($0) } ?? []
            let plain = try block.unpack(stored)
            var position = 0
            try db.runOnce(
                """
                SELECT l.lsn, l.keptRequest + l.keptResponse, m.lsn IS NOT NULL FROM \(from).log l
                    LEFT JOIN main.log m ON m.lsn = l.lsn
                    WHERE l.lsn BETWEEN ? AND ? AND l.keptRequest + l.keptResponse > 0 ORDER BY l.lsn
                """, [.integer(block.first), .integer(block.last)]
            ) { row in
                let count = Int(clamping: row.integer(1))
                guard count >= 0, count <= plain.count - position else {
                    throw TidegateError(.corrupt, "A block of bodies does not fit its rows.")
                }
                if row.integer(2) != 0 {
                    let bodies = plain[position..<(position + count)]
                    try index?.add(bodies, lsn: row.integer(0), db)
                    try pack.append(Array(bodies), lsn: row.integer(0), db)
                }
                position += count
            }
            guard position == plain.count else {
                throw TidegateError(.corrupt, "A block of bodies does not fit its rows.")
            }
        }
    }

    private func applied(_ db: Database) throws -> LogIndex {
        var n: LogIndex = 0
        try db.run("SELECT appliedN FROM a0.meta") { n = UInt64(bitPattern: $0.integer(0)) }
        return n
    }

    private func build(
        key: String, attaching files: [String], _ fill: (Database, inout BodyPackWriter) throws -> LogIndex
    ) throws -> BuiltSegment? {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let name = "\(folder)/" + key.replacing("/", with: "_")
        let (file, compressed, packPath) = (SegmentFile(path: name + ".new"), name + ".zst", name + ".pack")
        var isKept = false
        defer {
            if !isKept {
                file.remove()
                for path in [compressed, packPath] { try? FileManager.default.removeItem(atPath: path) }
            }
        }
        let queue = try file.create()
        defer { try? queue.close() }
        var description = SegmentDescription(key: key, asOf: 0)
        let isFilled = try queue.inDatabase { db in
            for (index, path) in files.enumerated() { try db.run("ATTACH ? AS a\(index)", [.text(path)]) }
            var pack = try BodyPackWriter(path: packPath)
            try db.inTransaction(.deferred) {
                if index != nil { try db.execute(sql: BodyIndex.table) }
                description.asOf = try fill(db, &pack)
                try pack.finish(db)
                try index?.finish(db)
                return .commit
            }
            for index in files.indices { try db.run("DETACH a\(index)") }
            guard let (zone, runs) = try SegmentFile.finish(db, hasBodyIndex: index != nil) else { return false }
            description.zone = zone.encoded
            description.runs = runs.encoded
            description.bodyObjects = try SegmentFile.bodyObjects(db)
            description.packBytes = UInt64(clamping: pack.offset)
            return true
        }
        guard isFilled else { return nil }
        try queue.close()
        let written = try ZstandardFile.compress(file.path, into: compressed)
        (description.crc, description.storedBytes) = (written.crc, UInt64(clamping: written.size))
        let size = try FileManager.default.attributesOfItem(atPath: file.path)[.size] as? UInt64
        description.fileBytes = size ?? 0
        if description.packBytes > 0 { description.packKey = CoordinationKeys.pack(of: key) }
        isKept = true
        if description.packBytes == 0 { try? FileManager.default.removeItem(atPath: packPath) }
        return BuiltSegment(
            description, file: file.path, compressed: compressed, pack: description.packBytes > 0 ? packPath : nil)
    }
}
