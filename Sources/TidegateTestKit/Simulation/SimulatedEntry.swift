internal import TidegateCore

/// The log's entries as far as the protocol cares: what they do to a gateway, without payloads.
enum SimulatedEntry {
    case record(stream: StreamID, sequence: UInt64, id: RecordID)
    case skip(stream: StreamID, sequence: UInt64, id: RecordID, reason: PermanentReason)
    /// Of a row that the owner does not know, or not yet (A18).
    case edit(id: RecordID, value: Int)
    case editRow(lsn: UInt64, value: Int)
    case delete(lsns: [UInt64])
    case evict(through: UInt64)
    case sealed(SimulatedSegment)
    /// By one or, when all their rows are deleted, by none.
    case compacted(replaced: [String], by: SimulatedSegment?)
    /// What entries up to the object made garbage is deleted.
    case collected(through: LogIndex)
    case gatewayDeleted

    var digest: UInt64 {
        switch self {
        case .record(let stream, let sequence, let id): mix(1, mix(stream.bits), sequence, mix(id.bits))
        case .skip(let stream, let sequence, let id, _): mix(2, mix(stream.bits), sequence, mix(id.bits))
        case .edit(let id, let value): mix(3, mix(id.bits), UInt64(value))
        case .editRow(let lsn, let value): mix(4, lsn, UInt64(value))
        case .delete(let lsns): lsns.reduce(5) { mix($0, $1) }
        case .evict(let through): mix(6, through)
        case .sealed(let segment): mix(7, segment.first, segment.last, segment.asOf, UInt64(segment.crc))
        case .gatewayDeleted: 8
        case .compacted(let replaced, let segment):
            mix(replaced.reduce(9) { mix($0, mix($1)) }, segment?.asOf ?? 0, UInt64(segment?.crc ?? 0))
        case .collected(let n): mix(10, n)
        }
    }

    var isRow: Bool { if case .record = self { true } else { false } }
}

/// Rows of a gateway as they stood at `asOf`, under `key` in the object store; their bodies are in a pack beside it.
struct SimulatedSegment: Equatable {
    var key: String
    var crc: UInt32
    var first: UInt64
    var last: UInt64
    /// Words said later than this LSN are not in it.
    var asOf: UInt64
    var lsns: Set<UInt64>

    /// - Parameter rows: ascending, at least one.
    init?(_ rows: [SegmentRow], asOf n: LogIndex, key: String) {
        guard let first = rows.first?.lsn, let last = rows.last?.lsn else { return nil }
        (self.key, self.first, self.last) = (key, first, last)
        crc = UInt32(truncatingIfNeeded: GatewayImage.digest(of: rows))
        asOf = LSN(n: n + 1, index: 0).rawValue - 1
        lsns = Set(rows.map(\.lsn))
    }

    var pack: String { CoordinationKeys.pack(of: key) }
    var ownKeys: [String] { [key, pack] }
}

struct SegmentRow: Equatable {
    var lsn: UInt64
    var id: RecordID
    var value: Int
}

/// One frozen object of a slot's log.
final class LogBlock {
    struct Section {
        let gateway: GatewayUID
        let entries: [(lsn: UInt64, entry: SimulatedEntry)]
    }
    let slot: Int
    let epoch: Epoch
    let n: LogIndex
    let previousCRC: UInt32
    let sections: [Section]
    let crc: UInt32
    let count: Int

    init(
        slot: Int, epoch: Epoch, n: LogIndex, previousCRC: UInt32,
        sections content: [(gateway: GatewayUID, entries: [SimulatedEntry])]
    ) {
        self.slot = slot
        self.epoch = epoch
        self.n = n
        self.previousCRC = previousCRC
        var index = 0
        var digest = mix(UInt64(slot), epoch, n, UInt64(previousCRC))
        var sections: [Section] = []
        for (gateway, entries) in content {
            var placed: [(lsn: UInt64, entry: SimulatedEntry)] = []
            digest = mix(digest, mix(gateway.bits))
            for entry in entries {
                placed.append((LSN(n: n, index: index).rawValue, entry))
                digest = mix(digest, entry.digest)
                index += 1
            }
            sections.append(Section(gateway: gateway, entries: placed))
        }
        self.sections = sections
        crc = UInt32(truncatingIfNeeded: digest)
        count = index
    }
}

/// A snapshot of a slot: which database object holds each gateway at `n`.
struct SlotManifest {
    struct Gateway {
        var uid: GatewayUID
        var key: String
        var crc: UInt32
    }
    var n: LogIndex
    /// CRC of log object `n`: what the next object continues.
    var logCRC: UInt32
    var gateways: [Gateway]

    var crc: UInt32 {
        UInt32(
            truncatingIfNeeded: gateways.reduce(mix(n, UInt64(logCRC))) { mix($0, mix($1.uid.bits), UInt64($1.crc)) })
    }
}

func mix(_ value: UInt64) -> UInt64 {
    var value = value &+ 0x9E37_79B9_7F4A_7C15
    value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
    return value ^ value >> 31
}
func mix(_ text: String) -> UInt64 { text.utf8.reduce(17) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 } }
func mix(_ bits: UInt128) -> UInt64 {
    mix(UInt64(truncatingIfNeeded: bits >> 64) ^ mix(UInt64(truncatingIfNeeded: bits)))
}
func mix(_ one: UInt64, _ other: UInt64) -> UInt64 { mix(mix(one) ^ other) }
func mix(_ one: UInt64, _ two: UInt64, _ three: UInt64) -> UInt64 { mix(mix(one, two) ^ three) }
func mix(_ one: UInt64, _ two: UInt64, _ three: UInt64, _ four: UInt64) -> UInt64 { mix(mix(one, two, three) ^ four) }
func mix(_ one: UInt64, _ two: UInt64, _ three: UInt64, _ four: UInt64, _ five: UInt64) -> UInt64 {
    mix(mix(one, two, three, four) ^ five)
}
