import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// A client that sends exactly the bytes it is told to, and keeps all it receives.
final class RawClient: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    private struct State {
        var received: [UInt8] = []
        var isClosed = false
        var sawError = false
        var waiters: [(condition: @Sendable ([UInt8]) -> Bool, continuation: CheckedContinuation<Bool, Never>)] = []
        var channel: (any Channel)?
    }
    private let state = Mutex(State())

    static func connect(_ group: any EventLoopGroup, port: Int, tls: NIOSSLContext? = nil) async throws -> RawClient {
        let client = RawClient()
        let channel = try await ClientBootstrap(group: group)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        let handler = try NIOSSLClientHandler(context: tls, serverHostname: "localhost")
                        try channel.pipeline.syncOperations.addHandler(handler)
                    }
                    try channel.pipeline.syncOperations.addHandler(client)
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        client.state.withLock { $0.channel = channel }
        return client
    }

    var channel: (any Channel)? { state.withLock { $0.channel } }
    var received: String { String(decoding: state.withLock { $0.received }, as: UTF8.self) }
    var receivedBytes: Int { state.withLock { $0.received.count } }
    var sawError: Bool { state.withLock { $0.sawError } }
    var isClosed: Bool { state.withLock { $0.isClosed } }

    func send(_ text: String) { send(Array(text.utf8)) }
    func send(_ bytes: [UInt8]) { channel?.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil) }
    func close() { channel?.close(promise: nil) }

    /// - Returns: false when the connection closed first.
    @discardableResult
    func wait(until condition: @escaping @Sendable ([UInt8]) -> Bool) async -> Bool {
        await withCheckedContinuation { continuation in
            let result: Bool? = state.withLock { state in
                if condition(state.received) { return true }
                if state.isClosed { return false }
                state.waiters.append((condition, continuation))
                return nil
            }
            if let result { continuation.resume(returning: result) }
        }
    }

    @discardableResult
    func wait(for text: String) async -> Bool {
        await wait { String(decoding: $0, as: UTF8.self).has(text) }
    }

    func waitForClose() async { await wait { _ in false } }

    /// Waits for one whole answer with a length, or for the close.
    func answer() async -> String {
        await wait { bytes in
            let text = String(decoding: bytes, as: UTF8.self)
            guard let end = text.range(of: "\r\n\r\n") else { return false }
            let head = text[..<end.upperBound].lowercased()
            if head.has("transfer-encoding: chunked") { return bytes.suffix(5).elementsEqual("0\r\n\r\n".utf8) }
            guard let field = head.range(of: "content-length: ") else { return false }
            let length = Int(head[field.upperBound...].prefix { $0.isNumber }) ?? 0
            return text[end.upperBound...].utf8.count >= length
        }
        return received
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = Array(unwrapInboundIn(data).readableBytesView)
        let ready = state.withLock { state in
            state.received += bytes
            let received = state.received
            let ready = state.waiters.filter { $0.condition(received) }.map(\.continuation)
            state.waiters.removeAll { $0.condition(received) }
            return ready
        }
        for waiter in ready { waiter.resume(returning: true) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        let left = state.withLock { state in
            state.isClosed = true
            defer { state.waiters = [] }
            return state.waiters.map(\.continuation)
        }
        for waiter in left { waiter.resume(returning: false) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        state.withLock { $0.sawError = true }
        context.close(promise: nil)
    }
}

extension String {
    /// The first place of `part`; `Foundation` is not needed for it.
    func range(of part: String) -> Range<String.Index>? {
        let (bytes, wanted) = (Array(utf8), Array(part.utf8))
        guard bytes.count >= wanted.count else { return nil }
        for start in 0...(bytes.count - wanted.count) where bytes[start] == wanted[0] {
            guard bytes[start..<(start + wanted.count)].elementsEqual(wanted) else { continue }
            let lower = utf8.index(startIndex, offsetBy: start)
            return lower..<utf8.index(lower, offsetBy: wanted.count)
        }
        return nil
    }
    func has(_ part: String) -> Bool { range(of: part) != nil }
    var statusCode: Int { Int(dropFirst(9).prefix(3)) ?? 0 }
}
