import NIOCore
import NIOHTTP1
import Testing

@testable import TidegateGateway

@Suite("reuse and replay of upstream connections", .timeLimit(.minutes(1)))
struct UpstreamReuseTests {
    static func answer(_ text: String) -> String {
        "HTTP/1.1 200 OK\r\ncontent-length: \(text.utf8.count)\r\n\r\n\(text)"
    }

    @Test("one connection carries many exchanges, one after the other")
    func keepAlive() async throws {
        try await UpstreamStage.run { stage in
            let server = try await RawServer.start(stage.group) { peer, _, number in
                peer.send(Self.answer("\(peer.index)/\(number)"))
            }
            for number in 1...20 {
                let outcome = try await stage.exchange(stage.origin(server), method: .POST, body: "request")
                #expect(outcome.text == "1/\(number)")
            }
            #expect(server.accepted == 1)
            let counts = try await stage.counts
            #expect(counts.exchanges == 20 && counts.reuses == 19 && counts.connectionsOpened == 1)
        }
    }

    @Test("a request that meets a closed pooled connection is sent again, whole", arguments: [0, 1, 70_000])
    func stale(bodyBytes: Int) async throws {
        let body = String(repeating: "b", count: bodyBytes)
        try await UpstreamStage.run { stage in
            let server = try await RawServer.start(stage.group) { peer, request, number in
                if peer.index == 1, number == 2 { return peer.close() }
                peer.send(
                    Self.answer("\(peer.index) \(request.hasSuffix("\r\n\r\n" + body)) \(request.utf8.first == 80)"))
            }
            let origin = stage.origin(server)
            #expect(try await stage.exchange(origin, method: .POST, body: body).text == "1 true true")
            #expect(try await stage.exchange(origin, method: .POST, body: body).text == "2 true true")
            #expect(try await stage.counts.replays == 1)
        }
    }

    @Test("nothing is sent again once a byte of an answer was seen", arguments: ["H", "HTTP/1.1 100 Continue\r\n\r\n"])
    func answered(bytes: String) async throws {
        try await UpstreamStage.run { stage in
            let server = try await RawServer.start(stage.group) { peer, _, number in
                if number == 1 { return peer.send(Self.answer("first")) }
                peer.send(bytes)
                peer.close()
            }
            let origin = stage.origin(server)
            #expect(try await stage.exchange(origin).text == "first")
            let outcome = try await stage.exchange(origin)
            guard case .connectionClosed(bytesOfAnswerSeen: true, _)? = outcome.failure else {
                Issue.record("\(outcome)")
                return
            }
            #expect(server.accepted == 1)
            #expect(try await stage.counts.replays == 0)
        }
    }

    @Test("a fresh connection that closes without an answer is a failure, not a second request")
    func fresh() async throws {
        try await UpstreamStage.run { stage in
            let server = try await RawServer.start(stage.group) { peer, _, _ in peer.close() }
            let outcome = try await stage.exchange(stage.origin(server))
            guard case .connectionClosed(bytesOfAnswerSeen: false, _)? = outcome.failure else {
                Issue.record("\(outcome)")
                return
            }
            #expect(server.accepted == 1)
        }
    }

    @Test("a body above the bound is not sent again")
    func tooLarge() async throws {
        var settings = UpstreamSettings()
        settings.replayBytesMax = 1_000
        try await UpstreamStage.run(settings: settings) { stage in
            let server = try await RawServer.start(stage.group) { peer, _, number in
                if peer.index == 1, number == 2 { peer.close() } else { peer.send(Self.answer("ok")) }
            }
            let body = String(repeating: "b", count: 1_001)
            let origin = stage.origin(server)
            #expect(try await stage.exchange(origin).text == "ok")
            #expect(try await stage.exchange(origin, method: .POST, body: body).summary == "[closed]")
        }
    }

    @Test("bytes that nobody asked for close an idle connection")
    func unsolicited() async throws {
        var settings = UpstreamSettings()
        settings.idleTimeout = .minutes(5)  // it must not be the reason
        try await UpstreamStage.run(settings: settings) { stage in
            let (answered, closed) = (stage.loop.makePromise(of: Void.self), stage.loop.makePromise(of: Void.self))
            let server = try await RawServer.start(
                stage.group,
                onClose: { peer in
                    if peer.index == 1 { closed.succeed(()) }
                }
            ) { peer, _, _ in
                peer.send(Self.answer("\(peer.index)"))
                guard peer.index == 1 else { return }
                answered.futureResult.assumeIsolated().whenSuccess { peer.send("HTTP/1.1 200 OK\r\n") }
            }
            #expect(try await stage.exchange(stage.origin(server)).text == "1")
            answered.succeed(())
            try await closed.futureResult.get()
            #expect(try await stage.exchange(stage.origin(server)).text == "2")
        }
    }

    @Test("idle and aged connections are closed", arguments: [true, false])
    func expiry(byAge: Bool) async throws {
        var settings = UpstreamSettings()
        if byAge { settings.connectionAgeMax = .zero } else { settings.idleTimeout = .milliseconds(20) }
        try await UpstreamStage.run(settings: settings) { stage in
            let closed = stage.loop.makePromise(of: Void.self)
            let server = try await RawServer.start(stage.group, onClose: { _ in closed.succeed(()) }) { peer, _, _ in
                peer.send(Self.answer("ok"))
            }
            #expect(try await stage.exchange(stage.origin(server)).text == "ok")
            try await closed.futureResult.get()
        }
    }

    @Test("an early answer is relayed whole, and its connection is not used again")
    func early() async throws {
        try await UpstreamStage.run { stage in
            let eager = try await RawServer.start(
                stage.group, first: { try $0.pipeline.syncOperations.addHandler(EarlyAnswer()) }
            ) { _, _, _ in }
            let outcome = try await stage.loop.flatSubmit { [loop = stage.loop] in
                let recorder = Recorder(loop)
                let head = HTTPRequestHead(version: .http1_1, method: .POST, uri: "/")
                let exchange = stage.pool.start(
                    head, to: stage.origin(eager), body: .length(1_000_000), delegate: recorder)
                exchange.write(ByteBuffer(string: "a beginning"))
                exchange.flush()
                return recorder.ended.futureResult
            }.get()
            #expect(outcome.status == 413 && outcome.text == "no" && outcome.failure == nil)
            #expect(try await stage.exchange(stage.origin(eager)).status == 413)
            #expect(eager.accepted == 2)
        }
    }
}

/// Answers 413 to the first bytes of anything.
private final class EarlyAnswer: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let answer = ByteBuffer(string: "HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno")
        context.writeAndFlush(wrapOutboundOut(answer), promise: nil)
    }
}
