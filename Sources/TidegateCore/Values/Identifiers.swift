/// A 128-bit name that somebody minted at random or by time. Text is 32 lower-case hexadecimal digits.
package protocol Identifier128: Hashable, Comparable, Sendable, CustomStringConvertible {
    var bits: UInt128 { get }
    init(bits: UInt128)
}

extension Identifier128 {
    package static func < (one: Self, other: Self) -> Bool { one.bits < other.bits }

    package var description: String {
        let digits = String(bits, radix: 16)
        return String(repeating: "0", count: 32 - digits.count) + digits
    }

    /// Reads 32 hexadecimal digits; `nil` for anything else.
    package init?(hex text: some StringProtocol) {
        guard text.utf8.count == 32, let bits = UInt128(text, radix: 16), text.utf8.first != UInt8(ascii: "+") else {
            return nil
        }
        self.init(bits: bits)
    }

    package init(random generator: inout some RandomNumberGenerator) {
        self.init(bits: UInt128(generator.next()) << 64 | UInt128(generator.next()))
    }
}

/// Names a gateway for its whole life. A gateway deleted and created again under the same name gets another one (A10).
package struct GatewayUID: Identifier128 {
    package let bits: UInt128
    package init(bits: UInt128) { self.bits = bits }
}

/// Names one outbox: its records carry gap-free sequence numbers under this name (A5).
package struct StreamID: Identifier128 {
    package let bits: UInt128
    package init(bits: UInt128) { self.bits = bits }
}

/// Names one start of a node's process.
package struct IncarnationID: Identifier128 {
    package let bits: UInt128
    package init(bits: UInt128) { self.bits = bits }
}

/// Names one log row, minted by the edge before the row exists. A version 7 UUID (RFC 9562 §5.7), so that ids sort
/// roughly by time; nothing relies on that (A17).
package struct RecordID: Identifier128, LosslessStringConvertible {
    package let bits: UInt128
    package init(bits: UInt128) { self.bits = bits }

    /// - Parameter milliseconds: since 1970, taken modulo 2⁴⁸.
    package init(milliseconds: Int64, random generator: inout some RandomNumberGenerator) {
        let time = UInt64(bitPattern: milliseconds) & 0xFFFF_FFFF_FFFF
        let high = time << 16 | 0x7000 | (generator.next() & 0x0FFF)
        let low = 0x8000_0000_0000_0000 | (generator.next() & 0x3FFF_FFFF_FFFF_FFFF)
        self.init(bits: UInt128(high) << 64 | UInt128(low))
    }

    /// Since 1970, modulo 2⁴⁸: when it was minted.
    package var milliseconds: Int64 { Int64(bits >> 80) }

    /// The usual form of a UUID: 8-4-4-4-12 lower-case digits.
    package var description: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(unsafeUninitializedCapacity: 36) { text in
            var position = 0
            for nibble in 0..<32 {
                if nibble == 8 || nibble == 12 || nibble == 16 || nibble == 20 {
                    text[position] = UInt8(ascii: "-")
                    position += 1
                }
                text[position] = digits[Int(truncatingIfNeeded: bits >> UInt128((31 - nibble) * 4)) & 15]
                position += 1
            }
            return 36
        }
    }

    /// Reads a UUID with or without hyphens, in either case; `nil` for anything else.
    package init?(_ description: String) {
        var digits = description
        if digits.utf8.count == 36 {
            for (index, byte) in digits.utf8.enumerated()
            where (byte == UInt8(ascii: "-")) != [8, 13, 18, 23].contains(index) { return nil }
            digits.removeAll { $0 == "-" }
        }
        guard digits.utf8.count == 32 else { return nil }
        self.init(hex: digits)
    }
}

/// A slot: the unit of placement, fencing, log and recovery. Written `region/index`.
package struct SlotID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let region: String
    package let index: Int

    package init(region: String, index: Int) {
        self.region = region
        self.index = index
    }

    package var description: String { "\(region)/\(index)" }
    package static func < (one: SlotID, other: SlotID) -> Bool {
        (one.region, one.index) < (other.region, other.index)
    }
}

/// Grows by one with each claim of a slot: the fencing token.
package typealias Epoch = UInt64

/// Index of a log object in its slot, contiguous across epochs; the first is 1.
package typealias LogIndex = UInt64

/// Place of an entry in the log of its slot: `n << 20 | i`. The order of record for cursors, deduplication and seals.
package struct LSN: Hashable, Comparable, Sendable {
    package let rawValue: UInt64
    package static let entriesPerObjectMax = 1 << 20

    package init(rawValue: UInt64) { self.rawValue = rawValue }
    package init(n: LogIndex, index: Int) { self.rawValue = n << 20 | UInt64(index) }
    package var n: LogIndex { rawValue >> 20 }
    package var index: Int { Int(rawValue & 0xF_FFFF) }
    package static func < (one: LSN, other: LSN) -> Bool { one.rawValue < other.rawValue }
}

/// Where in a slot's log an answer was computed. A client that has seen one must never be shown an older one (A14).
package struct LogPosition: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let slot: SlotID
    package let epoch: Epoch
    package let n: LogIndex

    package init(slot: SlotID, epoch: Epoch, n: LogIndex) {
        self.slot = slot
        self.epoch = epoch
        self.n = n
    }

    package var description: String { "\(slot):\(epoch):\(n)" }
    package static func < (one: LogPosition, other: LogPosition) -> Bool {
        (one.epoch, one.n) < (other.epoch, other.n)
    }

    /// Reads `region/index:epoch:n`, the form of `x-tidegate-position`.
    package init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 3, let epoch = Epoch(parts[1]), let n = LogIndex(parts[2]) else { return nil }
        let slot = parts[0].split(separator: "/", omittingEmptySubsequences: false)
        guard slot.count == 2, let index = Int(slot[1]), index >= 0, !slot[0].isEmpty else { return nil }
        self.init(slot: SlotID(region: String(slot[0]), index: index), epoch: epoch, n: n)
    }
}
