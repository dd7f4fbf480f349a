package import TidegateCore

/// One object of a slot's log: the entries of several gateways that are committed together.
///
///     magic "TGLO" · version · slot (counted) · epoch · n · prevCRC · raw length · stored length · body · CRC-32C
///
/// The body is zstd (level 1) of: sections, each a gateway uid and its entries (a 32-bit length, then bytes). The CRC covers everything
/// before it, and the next object's `prevCRC` repeats it: together with the head they form a chain (I3).
package struct LogObject: Equatable, Sendable {
    package struct Section: Equatable, Sendable {
        package var gateway: GatewayUID
        package var entries: [CommittedEntry]
    }

    package static let version: UInt8 = 1
    static let magic: UInt32 = 0x4F4C_4754
    /// Largest body before compression. One record is at most a fraction of it, and a flush starts at 4 MiB.
    package static let rawBytesMax = 256 << 20

    package var slot: SlotID
    package var epoch: Epoch
    package var n: LogIndex
    package var previousCRC: UInt32
    /// Of this object: what the head and the next object repeat.
    package var crc: UInt32
    package var sections: [Section]

    /// - Throws: `.corrupt` for anything that `LogObjectWriter` did not write; never traps, whatever the bytes.
    package init(decoding bytes: [UInt8]) throws(TidegateError) {
        guard bytes.count > 4 else { throw TidegateError(.corrupt, "The log object is too short.") }
        var trailer = ByteReader(bytes[(bytes.count - 4)...])
        crc = try trailer.fixed()
        guard CRC32C.checksum(bytes[..<(bytes.count - 4)]) == crc else {
            throw TidegateError(.corrupt, "The log object's checksum does not match its content.")
        }
        var reader = ByteReader(bytes[..<(bytes.count - 4)])
        guard try reader.fixed(UInt32.self) == Self.magic, try reader.fixed(UInt8.self) == Self.version else {
            throw TidegateError(.corrupt, "This is no log object of a version that this build reads.")
        }
        let parts = try reader.string().split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let index = Int(parts[1]), index >= 0 else {
            throw TidegateError(.corrupt, "The log object names no slot.")
        }
        slot = SlotID(region: String(parts[0]), index: index)
        epoch = try reader.fixed()
        n = try reader.fixed()
        previousCRC = try reader.fixed()
        guard n > 0, n < 1 << 43 else { throw TidegateError(.corrupt, "The log object's index is out of range.") }
        let rawLength = try reader.length(max: Self.rawBytesMax)
        let stored = try reader.counted()
        guard reader.isAtEnd else { throw TidegateError(.corrupt, "The log object is longer than it says.") }
        sections = try Self.sections(of: try Zstandard.decompress(stored, length: rawLength), n: n)
    }

    private static func sections(of body: [UInt8], n: LogIndex) throws(TidegateError) -> [Section] {
        var reader = ByteReader(body)
        var sections: [Section] = []
        var index = 0
        // The smallest section is 17 bytes, the smallest entry 5: counts beyond that are lies.
        for _ in 0..<(try reader.length(max: reader.remaining / 17)) {
            let gateway = GatewayUID(bits: try reader.fixed())
            let count = try reader.length(max: reader.remaining / 5)
            guard index + count <= LSN.entriesPerObjectMax else {
                throw TidegateError(.corrupt, "The log object has too many entries.")
            }
            var entries: [CommittedEntry] = []
            entries.reserveCapacity(count)
            for _ in 0..<count {
                let bytes = try reader.take(Int(try reader.fixed(UInt32.self)))
                entries.append(CommittedEntry(lsn: LSN(n: n, index: index), entry: entry(bytes)))
                index += 1
            }
            sections.append(Section(gateway: gateway, entries: entries))
        }
        guard reader.isAtEnd else { throw TidegateError(.corrupt, "The log object's body is longer than it says.") }
        return sections
    }

    /// An entry that cannot be read must not stop the log (A13): it becomes a row of no stream whose payload nobody can
    /// decode, which `apply` puts into quarantine with its raw bytes.
    private static func entry(_ bytes: ArraySlice<UInt8>) -> GatewayEntry {
        if let entry = try? GatewayEntry.read(bytes) { return entry }
        return .record(
            stream: StreamID(bits: 0), sequence: 0, id: RecordID(bits: 0), receivedAtMs: 0, payload: bytes)
    }
}
