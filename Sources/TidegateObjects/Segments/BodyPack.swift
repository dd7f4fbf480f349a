internal import CZstd
internal import Foundation
internal import GRDB
internal import TidegateCore

/// A segment's bodies: zstd blocks of some rows each, side by side in one object. Bodies of neighbours share words, so that
/// a block of them is a third of its rows one by one; a block is small enough to be read for a single body.
struct BodyBlock: Equatable, Sendable {
    static let rowsMax = 64
    static let bytesMax = 256 << 10
    /// Of one block unpacked: a row larger than `bytesMax` fills one alone.
    static let rawBytesMax = 1 << 30

    var first: Int64
    var last: Int64
    var offset: Int64
    var stored: Int64
    var raw: Int64
    var crc: UInt32

    static let table = """
        CREATE TABLE block(
            first INTEGER PRIMARY KEY, last INTEGER NOT NULL, offset INTEGER NOT NULL, stored INTEGER NOT NULL,
            raw INTEGER NOT NULL, crc INTEGER NOT NULL)
        """

    /// Checks and unpacks what was read.
    func unpack(_ bytes: [UInt8]) throws(TidegateError) -> [UInt8] {
        guard bytes.count == Int(clamping: stored), CRC32C.checksum(bytes) == crc, raw >= 0, raw <= Self.rawBytesMax
        else { throw TidegateError(.corrupt, "A block of bodies is damaged.") }
        return try Zstandard.decompress(bytes[...], length: Int(raw))
    }

    static func read(_ row: SQLColumns) -> BodyBlock {
        BodyBlock(
            first: row.integer(0), last: row.integer(1), offset: row.integer(2), stored: row.integer(3),
            raw: row.integer(4), crc: UInt32(truncatingIfNeeded: row.integer(5)))
    }
}

/// Writes a pack and its directory, rows in the order of their LSNs.
struct BodyPackWriter {
    private let file: FileHandle
    private let compressor = ZstandardCompressor(level: 3)
    private var plain: [UInt8] = []
    private var (first, last, rows) = (Int64(0), Int64(0), 0)
    private(set) var offset: Int64 = 0

    init(path: String) throws { file = try FileHandle.opened(writing: path) }

    mutating func append(_ bodies: [UInt8], lsn: Int64, _ db: Database) throws {
        guard !bodies.isEmpty else { return }
        if rows >= BodyBlock.rowsMax || rows > 0 && plain.count + bodies.count > BodyBlock.bytesMax { try flush(db) }
        if rows == 0 { first = lsn }
        last = lsn
        rows += 1
        plain.append(contentsOf: bodies)
    }

    /// A block that is packed already.
    mutating func append(_ stored: [UInt8], raw: Int, _ range: ClosedRange<Int64>, _ db: Database) throws {
        try flush(db)
        try write(stored, raw: raw, range, db)
    }

    mutating func finish(_ db: Database) throws {
        try flush(db)
        try file.close()
    }

    private mutating func flush(_ db: Database) throws {
        guard rows > 0 else { return }
        try write(try compressor.compress(plain), raw: plain.count, first...last, db)
        plain.removeAll(keepingCapacity: true)
        rows = 0
    }

    private mutating func write(_ stored: [UInt8], raw: Int, _ range: ClosedRange<Int64>, _ db: Database) throws {
        try file.write(contentsOf: stored)
        try db.run(
            "INSERT INTO block VALUES(?, ?, ?, ?, ?, ?)",
            [
                .integer(range.lowerBound), .integer(range.upperBound), .integer(offset), .integer(Int64(stored.count)),
                .integer(Int64(raw)), .integer(Int64(CRC32C.checksum(stored))),
            ])
        offset += Int64(stored.count)
    }
}

extension FileHandle {
    static func opened(reading path: String) throws(TidegateError) -> FileHandle {
        guard let file = FileHandle(forReadingAtPath: path) else {
            throw TidegateError(.unavailable, "The file \(path) cannot be read.")
        }
        return file
    }

    /// A file that was there is replaced.
    static func opened(writing path: String) throws(TidegateError) -> FileHandle {
        guard FileManager.default.createFile(atPath: path, contents: nil),
            let file = FileHandle(forWritingAtPath: path)
        else { throw TidegateError(.unavailable, "The file \(path) cannot be written.") }
        return file
    }
}
