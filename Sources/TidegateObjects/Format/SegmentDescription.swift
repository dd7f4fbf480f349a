package import TidegateCore

/// What a log entry says of a segment: enough to apply the entry without ever reading the segment, to fetch and verify it,
/// and to know most questions' answer about it (`zone`).
package struct SegmentDescription: Equatable, Sendable {
    /// Object key of the rows: a SQLite file as one zstd frame.
    package var key: String
    /// CRC-32C and size of that object.
    package var crc: UInt32
    package var storedBytes: UInt64
    /// Size of the unpacked file.
    package var fileBytes: UInt64
    /// Object key of the bodies; empty when no row has one.
    package var packKey: String
    package var packBytes: UInt64
    /// Later words about its rows, up to this log object, are in it.
    package var asOf: LogIndex
    /// Which rows it holds, encoded (`LSNRuns`).
    package var runs: [UInt8]
    /// Encoded `ZoneMap`.
    package var zone: [UInt8]
    /// Keys of objects that hold single large bodies of its rows.
    package var bodyObjects: [String]

    package init(key: String, asOf: LogIndex) {
        self.key = key
        self.asOf = asOf
        (crc, storedBytes, fileBytes, packKey, packBytes) = (0, 0, 0, "", 0)
        (runs, zone, bodyObjects) = ([], [], [])
    }

    /// Every object that goes when the segment goes, large bodies first.
    var keys: [String] { bodyObjects + ownKeys }
    /// Without the large bodies, which were there before it.
    var ownKeys: [String] { packKey.isEmpty ? [key] : [packKey, key] }
}

extension ByteWriter {
    mutating func segment(_ segment: SegmentDescription) {
        // Counted, so that a later version may say more.
        var inner = ByteWriter(capacity: segment.runs.count + segment.zone.count + 256)
        inner.counted(segment.key.utf8)
        inner.fixed(segment.crc)
        inner.varint(segment.storedBytes)
        inner.varint(segment.fileBytes)
        inner.counted(segment.packKey.utf8)
        inner.varint(segment.packBytes)
        inner.varint(segment.asOf)
        inner.counted(segment.runs)
        inner.counted(segment.zone)
        inner.texts(segment.bodyObjects)
        counted(inner.bytes)
    }

    mutating func texts(_ texts: [String]) {
        varint(UInt64(texts.count))
        for text in texts { counted(text.utf8) }
    }
}

extension ByteReader {
    mutating func segment() throws(TidegateError) -> SegmentDescription {
        var inner = ByteReader(try counted())
        var segment = SegmentDescription(key: try inner.string(), asOf: 0)
        segment.crc = try inner.fixed()
        segment.storedBytes = try inner.varint()
        segment.fileBytes = try inner.varint()
        segment.packKey = try inner.string()
        segment.packBytes = try inner.varint()
        segment.asOf = try inner.varint()
        segment.runs = Array(try inner.counted())
        segment.zone = Array(try inner.counted())
        segment.bodyObjects = try inner.texts()
        return segment
    }

    mutating func texts() throws(TidegateError) -> [String] {
        let count = try length(max: remaining)
        var texts: [String] = []
        for _ in 0..<count { texts.append(try string()) }
        return texts
    }
}
