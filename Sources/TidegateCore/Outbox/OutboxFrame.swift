/// The head of one frame in an outbox file; a body of `bodyBytes` follows it. All numbers are little-endian:
/// `magic 4 · kind 1 · version 1 · files 1 · 0 1 · bodyBytes 4 · bodyChecksum 4 · intent 8 · sequence 8 · gateway 16 · id 16 · 0 4 ·
/// headChecksum 4`. Checksums are CRC-32C; the head's is over the 68 bytes before it.
package struct OutboxFrame: Equatable, Sendable {
    package enum Kind: UInt8, Sendable {
        /// First in a file. `sequence`: the file's number; `intent`: the next intent; body: `OutboxCounters`.
        case segment = 1
        /// The ticket; body: what was known of the row, an encoded `LogRecord`.
        case intent = 2
        /// Body: an encoded `LogRecord`.
        case completion = 3
        /// The intent makes no row after all.
        case abandoned = 4
        /// The only frame of a cursor file. Body: `OutboxCounters`.
        case cursor = 5
    }

    package static let headBytes = 72
    /// A record holds two bodies of 10 MB at most; anything longer is a damaged length.
    package static let bodyBytesMax = 64 << 20
    private static let magic: UInt32 = 0x424F_4754  // "TGOB"
    private static let version: UInt8 = 1

    package var kind: Kind
    /// Of a completion: its bodies that lie in files of their own.
    package var files: BodyParts = []
    package var intent: UInt64 = 0
    package var sequence: UInt64 = 0
    package var gateway = GatewayUID(bits: 0)
    package var id = RecordID(bits: 0)
    package var bodyBytes = 0
    package var bodyChecksum: UInt32 = 0

    package init(_ kind: Kind) { self.kind = kind }

    /// - Parameter target: `headBytes` long.
    package func encode(into target: UnsafeMutableRawBufferPointer) {
        target.storeBytes(of: Self.magic.littleEndian, as: UInt32.self)
        target.storeBytes(
            of: (UInt32(kind.rawValue) | UInt32(Self.version) << 8 | UInt32(files.rawValue) << 16).littleEndian,
            toByteOffset: 4, as: UInt32.self)
        target.storeBytes(of: UInt32(bodyBytes).littleEndian, toByteOffset: 8, as: UInt32.self)
        target.storeBytes(of: bodyChecksum.littleEndian, toByteOffset: 12, as: UInt32.self)
        target.storeBytes(of: intent.littleEndian, toByteOffset: 16, as: UInt64.self)
        target.storeBytes(of: sequence.littleEndian, toByteOffset: 24, as: UInt64.self)
        target.storeBytes(of: gateway.bits.littleEndian, toByteOffset: 32, as: UInt128.self)
        target.storeBytes(of: id.bits.littleEndian, toByteOffset: 48, as: UInt128.self)
        target.storeBytes(of: 0, toByteOffset: 64, as: UInt32.self)
        let checksum = Self.checksum(UnsafeRawBufferPointer(rebasing: target[..<68]))
        target.storeBytes(of: checksum.littleEndian, toByteOffset: 68, as: UInt32.self)
    }

    /// - Returns: `nil` when the bytes do not begin with a whole, undamaged head of a kind that we know.
    package init?(head bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= Self.headBytes,
            UInt32(littleEndian: bytes.loadUnaligned(as: UInt32.self)) == Self.magic,
            bytes[5] == Self.version, let kind = Kind(rawValue: bytes[4]),
            UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 68, as: UInt32.self))
                == Self.checksum(UnsafeRawBufferPointer(rebasing: bytes[..<68]))
        else { return nil }
        self.kind = kind
        files = BodyParts(rawValue: bytes[6])
        bodyBytes = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self)))
        guard bodyBytes <= Self.bodyBytesMax else { return nil }
        bodyChecksum = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 12, as: UInt32.self))
        intent = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
        sequence = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 24, as: UInt64.self))
        gateway = GatewayUID(bits: UInt128(littleEndian: bytes.loadUnaligned(fromByteOffset: 32, as: UInt128.self)))
        id = RecordID(bits: UInt128(littleEndian: bytes.loadUnaligned(fromByteOffset: 48, as: UInt128.self)))
    }

    /// The frame at the start of `bytes`.
    /// - Returns: `nil` unless head and body are whole and undamaged.
    package static func read(_ bytes: UnsafeRawBufferPointer) -> OutboxFrame? {
        guard let frame = OutboxFrame(head: bytes), bytes.count - headBytes >= frame.bodyBytes else { return nil }
        let body = UnsafeRawBufferPointer(rebasing: bytes[headBytes..<(headBytes + frame.bodyBytes)])
        return checksum(body) == frame.bodyChecksum ? frame : nil
    }

    /// Head and body in one array. For the rare frames; the hot path writes both parts where they lie.
    package consuming func bytes(body: [UInt8]) -> [UInt8] {
        bodyBytes = body.count
        bodyChecksum = CRC32C.checksum(body)
        let frame = self
        let head = [UInt8](unsafeUninitializedCapacity: Self.headBytes) { target, count in
            frame.encode(into: UnsafeMutableRawBufferPointer(target))
            count = Self.headBytes
        }
        return head + body
    }

    package var bytes: Int { Self.headBytes + bodyBytes }

    private static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        var crc = CRC32C()
        crc.update(bytes)
        return crc.value
    }
}
