import Glibc
import NIOCore
import NIOPosix
import Synchronization

/// A server on loopback that says exactly the bytes a test tells it to.
final class RawServer: Sendable {
    /// Called on the event loop for each whole request, with its number on the connection, from 1.
    typealias Script = @Sendable (RawPeer, _ request: String, _ number: Int) -> Void

    let channel: any Channel
    private let tally: Tally
    var port: Int { channel.localAddress?.port ?? 0 }
    var accepted: Int { tally.count.withLock { $0 } }

    private final class Tally: Sendable {
        let count = Mutex(0)
        func next() -> Int {
            count.withLock { count in
                count += 1
                return count
            }
        }
    }

    /// - Parameter first: makes handlers that stand before the peer, as for TLS.
    static func start(
        _ group: MultiThreadedEventLoopGroup, autoRead: Bool = true,
        first: @escaping @Sendable (any Channel) throws -> Void = { _ in },
        onClose: @escaping @Sendable (RawPeer) -> Void = { _ in }, script: @escaping Script
    ) async throws -> RawServer {
        let tally = Tally()
        let channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.autoRead, value: autoRead)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try first(channel)
                    let peer = RawPeer(index: tally.next(), script: script, onClose: onClose)
                    try channel.pipeline.syncOperations.addHandler(peer)
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return RawServer(channel: channel, tally: tally)
    }

    private init(channel: any Channel, tally: Tally) {
        self.channel = channel
        self.tally = tally
    }
}

/// One accepted connection.
final class RawPeer: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// From 1, in the order of acceptance.
    let index: Int
    private(set) var channel: (any Channel)?
    private let script: RawServer.Script
    private let onClose: @Sendable (RawPeer) -> Void
    private var received = ""
    private var requests = 0
    var whenWritable: () -> Void = {}

    init(index: Int, script: @escaping RawServer.Script, onClose: @escaping @Sendable (RawPeer) -> Void) {
        self.index = index
        self.script = script
        self.onClose = onClose
    }

    func send(_ text: String) { channel?.writeAndFlush(ByteBuffer(string: text), promise: nil) }
    func close() { channel?.close(promise: nil) }

    /// Closes so that the other side gets a reset.
    func reset() {
        (channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0)).assumeIsolated()
            .whenComplete { _ in self.close() }
    }

    func handlerAdded(context: ChannelHandlerContext) { channel = context.channel }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received += String(buffer: unwrapInboundIn(data))
        while let request = takeRequest() {
            requests += 1
            script(self, request, requests)
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) { if context.channel.isWritable { whenWritable() } }
    func channelInactive(context: ChannelHandlerContext) { onClose(self) }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func takeRequest() -> String? {
        guard let headEnd = received.firstPlace(of: "\r\n\r\n")?.upperBound else { return nil }
        let head = received[..<headEnd].lowercased()
        var end = headEnd
        if head.contains("transfer-encoding: chunked") {
            guard let last = received.firstPlace(of: "0\r\n\r\n")?.upperBound else { return nil }
            end = last
        } else if let field = head.firstPlace(of: "content-length: ")?.upperBound,
            let length = Int(head[field...].prefix { $0.isNumber })
        {
            guard received[headEnd...].utf8.count >= length else { return nil }
            end = received.utf8.index(headEnd, offsetBy: length)
        }
        defer { received = String(received[end...]) }
        return String(received[..<end])
    }
}

extension String {
    /// The first place of `part`, over bytes: "\r\n" is one `Character` and would hide what stands next to it.
    fileprivate func firstPlace(of part: String) -> Range<String.Index>? {
        let (bytes, wanted) = (Array(utf8), Array(part.utf8))
        guard bytes.count >= wanted.count else { return nil }
        for start in 0...(bytes.count - wanted.count) where bytes[start] == wanted[0] {
            guard bytes[start..<(start + wanted.count)].elementsEqual(wanted) else { continue }
            let lower = utf8.index(startIndex, offsetBy: start)
            return lower..<utf8.index(lower, offsetBy: wanted.count)
        }
        return nil
    }
}
