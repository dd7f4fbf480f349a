internal import NIOCore

/// Finds out whether an answer ended exactly where the bytes read so far end.
///
/// The decoder does not tell how much it consumed, and surplus bytes inside it would be taken for the beginning of the
/// next answer. An answer ends with a body part that reaches to the end of the bytes read (compared by address: the
/// decoder hands out slices of them), or with the empty line of its head or chunks. Surplus that itself ends with an empty
/// line is a whole head, which the decoder reports as unsolicited. When the decoder had to copy, because a head
/// came in pieces, the answer counts as not at its end: a connection is lost, but nothing is ever mixed up.
struct AnswerBoundary {
    private var readEnd: UInt = 0
    private var bodyEnd: UInt = 0
    /// The last four bytes read, the latest in the low byte.
    private var tail: UInt32 = 0

    var isAtEnd: Bool { bodyEnd == readEnd || tail == Self.emptyLine }

    mutating func willDecode(_ bytes: ByteBuffer) {
        bytes.withUnsafeReadableBytes { bytes in
            readEnd = Self.end(of: bytes)
            for byte in bytes.suffix(4) { tail = tail << 8 | UInt32(byte) }
        }
        bodyEnd = 0
    }

    mutating func received(_ part: ByteBuffer) {
        bodyEnd = part.withUnsafeReadableBytes(Self.end)
    }

    private static func end(of bytes: UnsafeRawBufferPointer) -> UInt {
        bytes.baseAddress.map { UInt(bitPattern: $0) + UInt(bytes.count) } ?? 1
    }

    private static let emptyLine: UInt32 = 0x0D0A_0D0A
}

/// Stands before the decoder and shows its connection the raw bytes.
final class UpstreamReadGate: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let connection: UpstreamConnection

    init(_ connection: UpstreamConnection) { self.connection = connection }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if connection.willDecode(unwrapInboundIn(data)) { context.fireChannelRead(data) }
    }
}
