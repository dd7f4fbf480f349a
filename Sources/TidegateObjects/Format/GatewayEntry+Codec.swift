internal import TidegateCore

/// The binary form of an entry: a type byte, then fixed fields; what follows the fields of a known type is ignored, so
/// that a type may grow at its end. Type numbers are never used again.
extension GatewayEntry {
    private enum Kind: UInt8 {
        case record = 1, skip, edit, delete, evict, gatewayDeleted
        case sealed = 7, compacted, editRow, collected
    }

    func write(to writer: inout ByteWriter) {
        switch self {
        case .record(let stream, let sequence, let id, let receivedAtMs, let payload):
            writer.fixed(Kind.record.rawValue)
            writer.fixed(stream.bits)
            writer.varint(sequence)
            writer.fixed(id.bits)
            writer.fixed(receivedAtMs)
            writer.counted(payload)
        case .skip(let stream, let sequence, let id, let reason):
            writer.fixed(Kind.skip.rawValue)
            writer.fixed(stream.bits)
            writer.varint(sequence)
            writer.fixed(id.bits)
            writer.fixed(reason.rawValue)
        case .edit(let id, let patch, let atMs):
            writer.fixed(Kind.edit.rawValue)
            writer.fixed(id.bits)
            writer.fixed(atMs)
            writer.patch(patch)
        case .delete(let lsns):
            writer.fixed(Kind.delete.rawValue)
            writer.varint(UInt64(lsns.count))
            for lsn in lsns { writer.fixed(lsn) }
        case .evict(let lsn):
            writer.fixed(Kind.evict.rawValue)
            writer.fixed(lsn)
        case .gatewayDeleted:
            writer.fixed(Kind.gatewayDeleted.rawValue)
        case .sealed(let segment):
            writer.fixed(Kind.sealed.rawValue)
            writer.segment(segment)
        case .compacted(let replaced, let segments):
            writer.fixed(Kind.compacted.rawValue)
            writer.texts(replaced)
            writer.varint(UInt64(segments.count))
            for segment in segments { writer.segment(segment) }
        case .editRow(let lsn, let patch):
            writer.fixed(Kind.editRow.rawValue)
            writer.fixed(lsn)
            writer.patch(patch)
        case .collected(let n):
            writer.fixed(Kind.collected.rawValue)
            writer.fixed(n)
        }
    }

    /// - Returns: `nil` for a type that this build does not know.
    /// - Throws: `.corrupt` when a known type's fields cannot be read.
    static func read(_ bytes: ArraySlice<UInt8>) throws(TidegateError) -> GatewayEntry? {
        var reader = ByteReader(bytes)
        guard let kind = Kind(rawValue: try reader.fixed()) else { return nil }
        switch kind {
        case .record:
            return .record(
                stream: StreamID(bits: try reader.fixed()), sequence: try reader.varint(),
                id: RecordID(bits: try reader.fixed()), receivedAtMs: try reader.fixed(),
                payload: try reader.counted())
        case .skip:
            let stream = StreamID(bits: try reader.fixed())
            let sequence = try reader.varint()
            let id = RecordID(bits: try reader.fixed())
            let code: UInt8 = try reader.fixed()
            // A reason that we do not know is no reason to lose the watermark's advance.
            return .skip(
                stream: stream, sequence: sequence, id: id, reason: PermanentReason(rawValue: code) ?? .invalid)
        case .edit:
            let id = RecordID(bits: try reader.fixed())
            let atMs: Int64 = try reader.fixed()
            return .edit(id: id, patch: try reader.patch(), atMs: atMs)
        case .delete:
            let count = try reader.length(max: reader.remaining / 8)
            var lsns: [UInt64] = []
            lsns.reserveCapacity(count)
            for _ in 0..<count { lsns.append(try reader.fixed()) }
            return .delete(lsns: lsns)
        case .evict: return .evict(through: try reader.fixed())
        case .gatewayDeleted: return .gatewayDeleted
        case .sealed: return .sealed(try reader.segment())
        case .compacted:
            let replaced = try reader.texts()
            var segments: [SegmentDescription] = []
            for _ in 0..<(try reader.length(max: reader.remaining)) { segments.append(try reader.segment()) }
            return .compacted(replaced: replaced, by: segments)
        case .editRow: return .editRow(lsn: try reader.fixed(), patch: try reader.patch())
        case .collected: return .collected(through: try reader.fixed())
        }
    }
}

extension ByteWriter {
    fileprivate mutating func patch(_ patch: LogPatch) {
        change(patch.feedback) { $0.fixed($1.bitPattern) }
        change(patch.score) { $0.fixed($1.bitPattern) }
        change(patch.metadata) { $0.counted($1.utf8) }
    }

    /// 0 stays, 1 clears, 2 sets.
    fileprivate mutating func change<Value>(_ change: Value??, _ write: (inout ByteWriter, Value) -> Void) {
        switch change {
        case .none: fixed(UInt8(0))
        case .some(.none): fixed(UInt8(1))
        case .some(.some(let value)):
            fixed(UInt8(2))
            write(&self, value)
        }
    }
}

extension ByteReader {
    fileprivate mutating func patch() throws(TidegateError) -> LogPatch {
        var patch = LogPatch()
        patch.feedback = try change { reader throws(TidegateError) in Double(bitPattern: try reader.fixed()) }
        patch.score = try change { reader throws(TidegateError) in Double(bitPattern: try reader.fixed()) }
        patch.metadata = try change { reader throws(TidegateError) in try reader.string() }
        return patch
    }

    fileprivate mutating func change<Value>(
        _ read: (inout ByteReader) throws(TidegateError) -> Value
    ) throws(TidegateError) -> Value?? {
        let code: UInt8 = try fixed()
        switch code {
        case 0: return .none
        case 1: return .some(.none)
        case 2: return .some(.some(try read(&self)))
        default: throw TidegateError(.corrupt, "An edit has an unknown kind of change.")
        }
    }
}
