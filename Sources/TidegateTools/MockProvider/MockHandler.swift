internal import NIOCore
internal import NIOHTTP1

/// Reads one call, asks the core and writes the answer at its pace. Stays on its event loop.
final class MockHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let core: MockCore
    private let counters: MockCounters
    private var head: HTTPRequestHead?
    private var body = ByteBuffer()
    /// The pause before the next write of the running answer.
    private var pause: Scheduled<Void>?
    private var isAnswering = false

    init(core: MockCore, counters: MockCounters) {
        self.core = core
        self.counters = counters
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body.clear()
        case .body(var part):
            if body.readableBytes == 0 { body = part } else { body.writeBuffer(&part) }
        case .end:
            guard let head else { return }
            self.head = nil
            answer(head, context: context)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        pause?.cancel()
        if isAnswering { counters.abandon() }
        isAnswering = false
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func answer(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
        let request = MockRequest(head: head, body: body)
        guard request.route != .stats else {
            return begin(MockAnswer(json: counters.json), keepsAlive: head.isKeepAlive, context: context)
        }
        isAnswering = true
        let answer = core.answer(request, ordinal: counters.arrive())
        guard answer.ending != .stall else { return }
        later(answer.latencyMs, context) { [keepsAlive = head.isKeepAlive] in
            self.begin(answer, keepsAlive: keepsAlive, context: context)
        }
    }

    private func begin(_ answer: MockAnswer, keepsAlive: Bool, context: ChannelHandlerContext) {
        var headers = HTTPHeaders()
        headers.reserveCapacity(5)
        headers.add(name: "content-type", value: answer.contentType)
        if answer.isStreamed {
            headers.add(name: "transfer-encoding", value: "chunked")
        } else {
            headers.add(name: "content-length", value: "\(answer.pieces.reduce(0) { $0 + $1.readableBytes })")
        }
        if let seconds = answer.retryAfterSeconds { headers.add(name: "retry-after", value: "\(seconds)") }
        if !keepsAlive { headers.add(name: "connection", value: "close") }
        let head = HTTPResponseHead(
            version: .http1_1, status: HTTPResponseStatus(statusCode: answer.status), headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if answer.isStreamed {
            stream(answer, from: 0, keepsAlive: keepsAlive, context: context)
        } else {
            writeWhole(answer, keepsAlive: keepsAlive, context: context)
        }
    }

    private func writeWhole(_ answer: MockAnswer, keepsAlive: Bool, context: ChannelHandlerContext) {
        let isCut = answer.ending != .complete
        for piece in answer.pieces {
            let length = isCut ? piece.readableBytes / 2 : piece.readableBytes
            let bytes = piece.getSlice(at: piece.readerIndex, length: length) ?? piece
            context.write(wrapOutboundOut(.body(.byteBuffer(bytes))), promise: nil)
        }
        if isCut { cut(context) } else { finish(keepsAlive: keepsAlive, context: context) }
    }

    private func stream(_ answer: MockAnswer, from first: Int, keepsAlive: Bool, context: ChannelHandlerContext) {
        var index = first
        while index < answer.pieces.count {
            if case .cut(index) = answer.ending { return cut(context) }
            context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(answer.pieces[index]))), promise: nil)
            index += 1
            if answer.intervalMs > 0, index < answer.pieces.count {
                return later(answer.intervalMs, context) { [index] in
                    self.stream(answer, from: index, keepsAlive: keepsAlive, context: context)
                }
            }
        }
        finish(keepsAlive: keepsAlive, context: context)
    }

    private func finish(keepsAlive: Bool, context: ChannelHandlerContext) {
        if isAnswering { counters.answer() }
        isAnswering = false
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        if !keepsAlive { context.close(promise: nil) }
    }

    private func cut(_ context: ChannelHandlerContext) {
        isAnswering = false
        context.flush()
        context.close(promise: nil)
    }

    private func later(_ milliseconds: Double, _ context: ChannelHandlerContext, _ work: @escaping () -> Void) {
        guard milliseconds > 0 else { return work() }
        pause = context.eventLoop.assumeIsolated().scheduleTask(in: .microseconds(Int64(milliseconds * 1_000))) {
            if context.channel.isActive { work() }
        }
    }
}
