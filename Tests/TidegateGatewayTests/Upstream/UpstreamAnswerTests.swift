import NIOCore
import NIOHTTP1
import Testing

@testable import TidegateGateway

@Suite("answers of an upstream", .timeLimit(.minutes(1)))
struct UpstreamAnswerTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var bytes: String
        var closes = false
        var method = "GET"
        /// Body, or the label of the failure in brackets.
        var expected: String
        var isReused = false
    }

    static let ok = "HTTP/1.1 200 OK\r\n"
    static let cases: [Case] = [
        Case(testDescription: "length", bytes: ok + "content-length: 2\r\n\r\nok", expected: "ok", isReused: true),
        Case(testDescription: "empty", bytes: ok + "content-length: 0\r\n\r\n", expected: "", isReused: true),
        Case(
            testDescription: "chunks",
            bytes: ok + "transfer-encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n",
            expected: "abc", isReused: true),
        Case(
            testDescription: "100 and 103 first",
            bytes: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + ok
                + "content-length: 2\r\n\r\nok", expected: "ok", isReused: true),
        Case(testDescription: "until closed", bytes: ok + "\r\nall of it", closes: true, expected: "all of it"),
        Case(testDescription: "HTTP/1.0", bytes: "HTTP/1.0 200 OK\r\n\r\nold", closes: true, expected: "old"),
        Case(
            testDescription: "asks to close", bytes: ok + "connection: close\r\ncontent-length: 2\r\n\r\nok",
            expected: "ok"),
        Case(
            testDescription: "HEAD", bytes: ok + "content-length: 500\r\n\r\n", method: "HEAD", expected: "",
            isReused: true),
        Case(testDescription: "204", bytes: "HTTP/1.1 204 No Content\r\n\r\n", expected: "", isReused: true),
        Case(
            testDescription: "304", bytes: "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", expected: "",
            isReused: true),
        Case(
            testDescription: "length cut", bytes: ok + "content-length: 3\r\n\r\nok", closes: true, expected: "[closed]"
        ),
        Case(
            testDescription: "chunks cut", bytes: ok + "transfer-encoding: chunked\r\n\r\n2\r\nab\r\n", closes: true,
            expected: "[closed]"),
        Case(
            testDescription: "last chunk cut", bytes: ok + "transfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n",
            closes: true,
            expected: "[closed]"),
        Case(testDescription: "head cut", bytes: "HTTP/1.1 200 O", closes: true, expected: "[closed]"),
        Case(testDescription: "nothing", bytes: "", closes: true, expected: "[closed]"),
        Case(
            testDescription: "101",
            bytes: "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
            expected: "[protocol]"),
        Case(testDescription: "not HTTP", bytes: "SSH-2.0-OpenSSH_9.2\r\n", expected: "[protocol]"),
        Case(
            testDescription: "two lengths", bytes: ok + "content-length: 2\r\ncontent-length: 3\r\n\r\nok!",
            expected: "[protocol]"),
        Case(
            testDescription: "long head", bytes: ok + "x: " + String(repeating: "y", count: 70_000) + "\r\n\r\n",
            expected: "[protocol]"),
        Case(
            testDescription: "many fields", bytes: ok + String(repeating: "x: y\r\n", count: 300) + "\r\n",
            expected: "[protocol]"),
        Case(
            testDescription: "endless 1xx", bytes: String(repeating: "HTTP/1.1 102 Processing\r\n\r\n", count: 40),
            expected: "[protocol]"),
        Case(
            testDescription: "surplus, half a head", bytes: ok + "content-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n",
            expected: "ok"),
        Case(
            testDescription: "surplus, a whole answer",
            bytes: ok + "content-length: 2\r\n\r\nok" + ok + "content-length: 4\r\n\r\nevil", expected: "ok"),
        Case(
            testDescription: "surplus after chunks",
            bytes: ok + "transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1", expected: "ok"),
    ]

    @Test("each answer ends as its framing says, and only clean ones leave a connection behind", arguments: cases)
    func answer(_ example: Case) async throws {
        try await UpstreamStage.run { stage in
            let server = try await RawServer.start(stage.group) { peer, _, number in
                peer.send(peer.index == 1 && number == 1 ? example.bytes : Self.ok + "content-length: 4\r\n\r\nnext")
                if peer.index == 1, example.closes { peer.close() }
            }
            let origin = stage.origin(server)
            let outcome = try await stage.exchange(origin, method: .init(rawValue: example.method))
            #expect(outcome.summary == example.expected)
            #expect(try await stage.exchange(origin).text == "next")
            #expect(server.accepted == (example.isReused ? 1 : 2))
        }
    }

    @Test("an answer that comes byte by byte is the same answer", arguments: cases.filter { $0.bytes.count < 200 })
    func pieces(_ example: Case) async throws {
        try await UpstreamStage.run { stage in
            let server = try await RawServer.start(stage.group) { peer, _, _ in
                peer.sendPiecewise(ArraySlice(example.bytes.utf8), thenClose: example.closes)
            }
            let outcome = try await stage.exchange(
                stage.origin(server), method: .init(rawValue: example.method))
            #expect(outcome.summary == example.expected)
            #expect(outcome.callsTooMany == 0)
        }
    }

    @Test("trailers reach the delegate, and those of a request the provider")
    func trailers() async throws {
        try await UpstreamStage.run { stage in
            let server = try await RawServer.start(stage.group) { peer, request, _ in
                peer.send(
                    Self.ok
                        + "transfer-encoding: chunked\r\n\r\n\(String(request.utf8.count, radix: 16))\r\n\(request)\r\n"
                        + "0\r\nx-sum: 7\r\n\r\n")
            }
            let outcome = try await stage.exchange(
                stage.origin(server), method: .POST, body: "hello", framing: .chunked)
            #expect(outcome.trailers?.first(name: "x-sum") == "7")
            #expect(outcome.text.hasSuffix("\r\n\r\n5\r\nhello\r\n0\r\n\r\n"))
            #expect(outcome.text.contains("transfer-encoding: chunked\r\n"))
            #expect(outcome.text.contains("host: 127.0.0.1:\(server.port)\r\n"))
        }
    }

    @Test("a reset in a body that runs until the end of the connection is a failure")
    func reset() async throws {
        try await UpstreamStage.run { stage in
            let server = try await RawServer.start(stage.group) { peer, _, _ in
                peer.channel?.writeAndFlush(ByteBuffer(string: Self.ok + "\r\npart")).assumeIsolated().whenComplete {
                    _ in
                    peer.reset()
                }
            }
            let outcome = try await stage.exchange(stage.origin(server))
            #expect(outcome.failure?.label == "closed")
        }
    }
}

extension RawPeer {
    /// One byte at a time. A task on the loop would run before the loop looks at its sockets again; a timer does not.
    func sendPiecewise(_ bytes: ArraySlice<UInt8>, thenClose: Bool) {
        guard let byte = bytes.first else {
            if thenClose { close() }
            return
        }
        channel?.writeAndFlush(ByteBuffer(bytes: [byte]), promise: nil)
        channel?.eventLoop.assumeIsolated().scheduleTask(in: .microseconds(100)) {
            self.sendPiecewise(bytes.dropFirst(), thenClose: thenClose)
        }
    }
}
