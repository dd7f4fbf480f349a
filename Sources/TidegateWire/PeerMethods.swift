package import GRPCCore
package import SwiftProtobuf

/// The calls of `peer.proto`'s service. Written by hand: three names cost less than a second code generator and its package.
package enum PeerMethods {
    private static let service = ServiceDescriptor(fullyQualifiedService: "tidegate.peer.Peer")
    package static let deliver = MethodDescriptor(service: service, method: "Deliver", type: .bidirectionalStreaming)
    package static let control = MethodDescriptor(service: service, method: "Control", type: .serverStreaming)
    package static let ask = MethodDescriptor(service: service, method: "Ask", type: .unary)
}

/// Protobuf to and from the transport's bytes, without a copy in between.
package struct WireCoding<Message: SwiftProtobuf.Message>: MessageSerializer, MessageDeserializer {
    package init() {}

    package func serialize<Bytes: GRPCContiguousBytes>(_ message: Message) throws -> Bytes {
        (try message.serializedBytes() as TransportBytes<Bytes>).bytes
    }

    package func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) throws -> Message {
        do {
            return try Message(serializedBytes: TransportBytes(bytes: bytes))
        } catch {
            throw RPCError(code: .invalidArgument, message: "a message that is not protobuf: \(error)")
        }
    }
}

private struct TransportBytes<Bytes: GRPCContiguousBytes>: SwiftProtobufContiguousBytes {
    var bytes: Bytes
    init(bytes: Bytes) { self.bytes = bytes }
    init(repeating byte: UInt8, count: Int) { bytes = Bytes(repeating: byte, count: count) }
    init(_ sequence: some Sequence<UInt8>) { bytes = Bytes(sequence) }
    var count: Int { bytes.count }

    func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try bytes.withUnsafeBytes(body)
    }
    mutating func withUnsafeMutableBytes<Result>(
        _ body: (UnsafeMutableRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        try bytes.withUnsafeMutableBytes(body)
    }
}
