import NIOCore
import NIOHTTP1
import Testing

@testable import TidegateGateway

@Suite("limits, back-pressure and leaving", .timeLimit(.minutes(1)))
struct UpstreamLimitTests {
    @Test("above the limit exchanges wait in order, and above that they are refused")
    func queue() async throws {
        var settings = UpstreamSettings()
        (settings.connectionsPerOriginMax, settings.waitingPerOriginMax) = (1, 2)
        try await UpstreamStage.run(settings: settings) { stage in
            let server = try await RawServer.start(stage.group) { peer, request, _ in
                peer.send(UpstreamReuseTests.answer(String(request.dropFirst(4).prefix(2))))
            }
            let origin = stage.origin(server)
            // In one turn of the loop: none can end before the last has begun.
            let answers = try await stage.loop.flatSubmit {
                let running = ["/1", "/2", "/3", "/4"].map { stage.begin(origin, uri: $0) }
                return EventLoopFuture.whenAllSucceed(running, on: stage.loop)
            }.get().map(\.summary)
            #expect(answers == ["/1", "/2", "/3", "[queue_full]"])
            #expect(server.accepted == 1)
        }
    }

    @Test("who waits too long hears so, and the exchange that runs goes on")
    func waitTimeout() async throws {
        var settings = UpstreamSettings()
        settings.connectionsPerOriginMax = 1
        settings.waitTimeout = .milliseconds(20)
        try await UpstreamStage.run(settings: settings) { stage in
            let hold = stage.loop.makePromise(of: Void.self)
            let server = try await RawServer.start(stage.group) { peer, _, _ in
                hold.futureResult.assumeIsolated().whenSuccess { peer.send(UpstreamReuseTests.answer("held")) }
            }
            let first = stage.begin(stage.origin(server))
            #expect(try await stage.exchange(stage.origin(server)).summary == "[wait_timeout]")
            hold.succeed(())
            #expect(try await first.get().text == "held")
        }
    }

    @Test("a refused connection fails its exchange; so do the ones that waited behind it")
    func refused() async throws {
        var settings = UpstreamSettings()
        settings.connectionsPerOriginMax = 1
        try await UpstreamStage.run(settings: settings) { stage in
            // Nobody listens on port 1; a port that was just freed may be another test's by now.
            let origin = Origin(isTLS: false, host: "127.0.0.1", port: 1)
            let running = (0..<3).map { _ in stage.begin(origin) }
            let outcomes = try await EventLoopFuture.whenAllSucceed(running, on: stage.loop).get()
            #expect(outcomes.allSatisfy { $0.failure?.label == "connect" && $0.failure?.isBeforeRequest == true })
        }
    }

    @Test("a name without an address fails as that")
    func noAddress() async throws {
        try await UpstreamStage.run { stage in
            let outcome = try await stage.exchange(Origin(isTLS: false, host: "a..b", port: 80))
            #expect(outcome.summary == "[dns]")
        }
    }

    @Test("a cancelled exchange closes its connection, and its delegate hears nothing")
    func cancel() async throws {
        try await UpstreamStage.run { stage in
            let arrived = stage.loop.makePromise(of: Void.self)
            let gone = stage.loop.makePromise(of: Void.self)
            let server = try await RawServer.start(stage.group, onClose: { _ in gone.succeed(()) }) { _, _, _ in
                arrived.succeed(())
            }
            let held = try await stage.loop.submit { [loop = stage.loop] in
                let recorder = Recorder(loop)
                let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/")
                let exchange = stage.pool.start(head, to: stage.origin(server), body: .none, delegate: recorder)
                exchange.finishRequest()
                return NIOLoopBound((recorder, exchange), eventLoop: loop)
            }.get()
            try await arrived.futureResult.get()
            try await stage.loop.submit { held.value.1.cancel() }.get()
            try await gone.futureResult.get()
            try await stage.loop.submit {
                #expect(!held.value.0.isEnded && held.value.1.isDone)
                held.value.0.ended.succeed(held.value.0.outcome)
            }.get()
        }
    }

    @Test("a paused reader stops the provider within a bound, and gets everything when it goes on")
    func slowReader() async throws {
        let total = 32 << 20
        try await UpstreamStage.run { stage in
            let server = try await RawServer.start(stage.group) { peer, _, _ in
                peer.send("HTTP/1.1 200 OK\r\ncontent-length: \(total)\r\n\r\n")
                let piece = ByteBuffer(repeating: 0x61, count: 64 << 10)
                var left = total
                peer.whenWritable = { [unowned peer] in
                    while left > 0, let channel = peer.channel, channel.isWritable {
                        left -= piece.readableBytes
                        channel.writeAndFlush(piece, promise: nil)
                    }
                }
                peer.whenWritable()
            }
            let paused = stage.loop.makePromise(of: Void.self)
            let held = try await stage.loop.submit { [loop = stage.loop] in
                let recorder = Recorder(loop)
                recorder.keepsBody = false
                recorder.whenHead = { exchange in
                    exchange.pauseReading()
                    paused.succeed(())
                }
                let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/")
                let exchange = stage.pool.start(head, to: stage.origin(server), body: .none, delegate: recorder)
                exchange.finishRequest()
                return NIOLoopBound((recorder, exchange), eventLoop: loop)
            }.get()
            try await paused.futureResult.get()
            // Enough turns of the one loop to move all of it, were it not paused.
            for _ in 0..<2_000 { try await stage.loop.submit {}.get() }
            let seen = try await stage.loop.submit { held.value.0.bytes }.get()
            #expect(seen <= 8 * UpstreamSettings().readBytesMax)
            let ended = try await stage.loop.submit {
                held.value.1.resumeReading()
                return held.value.0.ended.futureResult
            }.get()
            #expect(try await ended.get().failure == nil)
            #expect(try await stage.loop.submit { held.value.0.bytes }.get() == total)
        }
    }

    @Test("a provider that does not read makes the exchange unwritable, and writable again when it does")
    func slowProvider() async throws {
        try await UpstreamStage.run { stage in
            let accepted = stage.loop.makePromise(of: (any Channel).self)
            let total = 32 << 20
            let server = try await RawServer.start(
                stage.group, autoRead: false,
                first: { channel in
                    try channel.pipeline.syncOperations.addHandler(Sink(bytes: total))
                    accepted.succeed(channel)
                }
            ) { _, _, _ in }
            let part = ByteBuffer(repeating: 0x62, count: 64 << 10)
            let (asking, blocked) = (stage.loop.makePromise(of: Void.self), stage.loop.makePromise(of: Int.self))
            let ended = try await stage.loop.submit { [loop = stage.loop] in
                let recorder = Recorder(loop)
                let head = HTTPRequestHead(version: .http1_1, method: .POST, uri: "/")
                let exchange = stage.pool.start(
                    head, to: stage.origin(server), body: .length(total), delegate: recorder)
                var left = total
                func pump() {
                    while left > 0, exchange.isWritable {
                        exchange.write(part)
                        exchange.flush()
                        left -= part.readableBytes
                    }
                    if left == 0 { exchange.finishRequest() }
                }
                recorder.whenWritable = { _, isWritable in if isWritable { pump() } }
                pump()
                asking.futureResult.assumeIsolated().whenSuccess { blocked.succeed(left) }
                return recorder.ended.futureResult
            }.get()
            let channel = try await accepted.futureResult.get()
            // The kernel's buffers fill and writing stops.
            for _ in 0..<2_000 { try await stage.loop.submit {}.get() }
            asking.succeed(())
            #expect(try await blocked.futureResult.get() > 0)
            try await channel.setOption(.autoRead, value: true).get()
            channel.read()
            _ = server
            #expect(try await ended.get().text == "read")
        }
    }

    @Test("a body of another length than announced fails", arguments: ["short", "much too long"])
    func mismatch(body: String) async throws {
        try await UpstreamStage.run { stage in
            let server = try await RawServer.start(stage.group) { _, _, _ in }
            let outcome = try await stage.exchange(
                stage.origin(server), method: .POST, body: body, framing: .length(8))
            #expect(outcome.summary == "[request_body_mismatch]")
        }
    }

    @Test("a closed pool lets running exchanges finish and takes no others")
    func closing() async throws {
        try await UpstreamStage.run { stage in
            let (arrived, hold) = (stage.loop.makePromise(of: Void.self), stage.loop.makePromise(of: Void.self))
            let server = try await RawServer.start(stage.group) { peer, _, _ in
                arrived.succeed(())
                hold.futureResult.assumeIsolated().whenSuccess { peer.send(UpstreamReuseTests.answer("done")) }
            }
            let running = stage.begin(stage.origin(server))
            try await arrived.futureResult.get()
            let drained = stage.loop.flatSubmit { stage.pool.close() }
            #expect(try await stage.exchange(stage.origin(server)).summary == "[pool_closed]")
            hold.succeed(())
            #expect(try await running.get().text == "done")
            try await drained.get()
        }
    }
}

/// Swallows a request and answers when at least `bytes` have come.
private final class Sink: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private var left: Int
    init(bytes: Int) { left = bytes }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let before = left
        left -= unwrapInboundIn(data).readableBytes
        guard before > 0, left <= 0 else { return }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: UpstreamReuseTests.answer("read"))), promise: nil)
    }
}
