internal import TidegateCore

/// Freezes the entries of an object into bytes.
struct LogObjectWriter {
    struct Frozen: Sendable {
        var bytes: [UInt8]
        var crc: UInt32
    }

    /// - Throws: `.invalidRequest` when the content is larger than a reader accepts.
    static func freeze(
        slot: SlotID, epoch: Epoch, n: LogIndex, previousCRC: UInt32,
        sections: [(gateway: GatewayUID, entries: [GatewayEntry])], capacity: Int = 0
    ) throws(TidegateError) -> Frozen {
        var body = ByteWriter(capacity: capacity)
        body.varint(UInt64(sections.count))
        for section in sections {
            body.fixed(section.gateway.bits)
            body.varint(UInt64(section.entries.count))
            for entry in section.entries {
                let start = body.bytes.count
                body.fixed(UInt32(0))
                entry.write(to: &body)
                body.overwrite(UInt32(clamping: body.bytes.count - start - 4), at: start)
            }
        }
        guard body.bytes.count <= LogObject.rawBytesMax else {
            throw TidegateError(.invalidRequest, "A log object of \(body.bytes.count) bytes is too large.")
        }
        let stored = try Zstandard.compress(body.bytes)
        var writer = ByteWriter(capacity: stored.count + 96)
        writer.fixed(LogObject.magic)
        writer.fixed(LogObject.version)
        writer.counted(slot.description.utf8)
        writer.fixed(epoch)
        writer.fixed(n)
        writer.fixed(previousCRC)
        writer.varint(UInt64(body.bytes.count))
        writer.counted(stored)
        let crc = CRC32C.checksum(writer.bytes)
        writer.fixed(crc)
        return Frozen(bytes: writer.finish(), crc: crc)
    }
}
