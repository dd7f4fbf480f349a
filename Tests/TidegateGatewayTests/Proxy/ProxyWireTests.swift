import Synchronization
import Testing
import TidegateCore

@testable import TidegateGateway

@Suite("The client's wire", .timeLimit(.minutes(2)))
struct ProxyWireTests {
    private static let get = "GET /v1/acc/g/openai/models HTTP/1.1\r\nHost: h\r\n\r\n"

    @Test("pipelined requests are answered one by one, in order")
    func pipelining() async throws {
        try await ProxyStage.run(script: { peer, request, _ in
            let path = request.split(separator: " ")[1]
            peer.send(ProxyStage.answer("<\(path)>"))
        }) { stage in
            let client = try await stage.client()
            let requests = (1...20).map { number in
                number % 2 == 0
                    ? ProxyStage.post("/openai/\(number)")
                    : "GET /v1/acc/g/openai/\(number) HTTP/1.1\r\nHost: h\r\n\r\n"
            }
            client.send(requests.joined())
            #expect(await client.wait(for: "</v1/20>"))
            let order = client.received.split(separator: "<").dropFirst().map { $0.prefix { $0 != ">" } }
            #expect(order.map(String.init) == (1...20).map { "/v1/\($0)" })
            client.close()
        }
    }

    @Test("HTTP/1.0 gets no chunks and a closed connection where the length is not known")
    func http10() async throws {
        try await ProxyStage.run(script: { peer, _, _ in
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        }) { stage in
            let client = try await stage.client()
            client.send("GET /v1/acc/g/openai/models HTTP/1.0\r\n\r\n")
            await client.waitForClose()
            #expect(client.received.hasPrefix("HTTP/1.0 200") && client.received.hasSuffix("\r\n\r\nabc"))
            #expect(!client.received.lowercased().has("transfer-encoding"))
        }
    }

    @Test("100-continue is sent when the body is wanted, and not when the call is refused")
    func expectContinue() async throws {
        try await ProxyStage.run { stage in
            let client = try await stage.client()
            let head = "Host: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
            client.send("POST /v1/acc/g/openai/x HTTP/1.1\r\n" + head)
            #expect(await client.wait(for: "HTTP/1.1 100 Continue\r\n\r\n"))
            client.send("{}")
            #expect(await client.wait(for: ProxyStage.chat))
            client.close()
            let refused = try await stage.client()
            refused.send("POST /v1/acc/nope/openai/x HTTP/1.1\r\n" + head)
            await refused.waitForClose()
            #expect(refused.received.hasPrefix("HTTP/1.1 400") && refused.received.has("2001"))
        }
    }

    @Test("HEAD has the length and no body, and the connection goes on")
    func head() async throws {
        try await ProxyStage.run(script: { peer, request, _ in
            peer.send(
                request.hasPrefix("HEAD")
                    ? "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" : ProxyStage.answer("second"))
        }) { stage in
            let client = try await stage.client()
            client.send("HEAD /v1/acc/g/openai/x HTTP/1.1\r\nHost: h\r\n\r\n" + Self.get)
            #expect(await client.wait(for: "second"))
            #expect(client.received.has("Content-Length: 99"))
            client.close()
        }
    }

    @Test(
        "hostile requests are refused and their connection ends",
        arguments: [
            ("POST /v1/acc/g/openai/x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
            (
                "POST /v1/acc/g/openai/x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                400
            ),
            (
                "POST /v1/acc/g/openai/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
                400
            ),
            ("POST /v1/acc/g/openai/x HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", 400),
            ("POST /v1/acc/g/openai/x HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
            ("POST /v1/acc/g/openai/x HTTP/1.1\r\nHost: h\r\nContent-Length: 104857601\r\n\r\n", 413),
            ("POST /v1/acc/g/openai/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
            ("GET /v1/acc/g/openai/x HTTP/1.1\r\nHost: h\r\nBad Name: 1\r\n\r\n", 400),
            ("GET /v1/acc/g/openai/x HTTP/1.1\r\nHost: h\r\nX: a\u{0}b\r\n\r\n", 400),
            ("GET /v1/acc/g/openai/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
            ("GET /v1/acc/g/openai/x HTTP/1.1\r\n\r\n", 400), ("GET /v1/é HTTP/1.1\r\nHost: h\r\n\r\n", 400),
            ("GET /v1/x HTTP/2.0\r\nHost: h\r\n\r\n", 400), ("\u{16}\u{3}\u{1}\u{2}\u{0}", 400),
            ("CONNECT a:1 HTTP/1.1\r\nHost: h\r\n\r\n", 405),
            ("GET /v1/x HTTP/1.1\r\nHost: h\r\nX: \(String(repeating: "a", count: 33_000))\r\n\r\n", 431),
            ("GET /v1/x HTTP/1.1\r\nHost: h\r\n\(String(repeating: "a: b\r\n", count: 200))\r\n", 431),
            ("GET /\(String(repeating: "a", count: 40_000)) HTTP/1.1\r\nHost: h\r\n\r\n", 431),
        ])
    func hostile(request: String, status: Int) async throws {
        try await ProxyStage.run { stage in
            let client = try await stage.client()
            client.send(request)
            await client.waitForClose()
            #expect(client.received.statusCode == status, "\(client.received.prefix(80))")
            #expect(stage.server.accepted == 0)
        }
    }

    @Test("no damaged head hangs or traps: an answer or a close", arguments: UInt64(0)..<8)
    func fuzz(seed: UInt64) async throws {
        var settings = DataPlaneSettings()
        settings.headTimeout = .milliseconds(50)
        settings.bodyTimeout = .milliseconds(50)
        settings.idleTimeout = .milliseconds(50)
        settings.tick = .milliseconds(10)
        try await ProxyStage.run(settings) { stage in
            var random = Dice(state: seed)
            for _ in 0..<40 {
                var bytes = Array(ProxyStage.post("/openai/chat/completions").utf8)
                for _ in 0...(random.next() % 6) {
                    let place = Int(random.next() % UInt64(bytes.count))
                    switch random.next() % 4 {
                    case 0: bytes[place] = UInt8(truncatingIfNeeded: random.next())
                    case 1: bytes.remove(at: place)
                    case 2: bytes.insert(UInt8(truncatingIfNeeded: random.next()), at: place)
                    default: bytes.insert(contentsOf: Array("\r\nContent-Length: 1\r\n".utf8), at: place)
                    }
                }
                let client = try await stage.client()
                client.send(bytes)
                await client.waitForClose()
                let status = client.received.statusCode
                #expect(client.received.isEmpty || (200..<600).contains(status) || status == 100)
            }
            // On a busy machine the short head timeout may hit a good head too: what counts is that one gets through.
            var status = 0
            for _ in 0..<100 where status != 200 {
                status = try await stage.ask(ProxyStage.post("/openai/x")).statusCode
            }
            #expect(status == 200)
        }
    }

    @Test(
        "slow heads and slow bodies are ended",
        arguments: ["GET /v1/acc", "POST /v1/acc/g/openai/x HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\na"])
    func slow(part: String) async throws {
        var settings = DataPlaneSettings()
        // Long enough for the first bytes to arrive on a busy machine: without any, the connection just ends.
        settings.headTimeout = .seconds(5)
        settings.bodyTimeout = .milliseconds(200)
        settings.tick = .milliseconds(10)
        try await ProxyStage.run(settings, script: { _, _, _ in }) { stage in
            let client = try await stage.client()
            client.send(part)
            await client.waitForClose()
            #expect(client.received.statusCode == 408)
        }
    }

    @Test("an upstream upgrade header is ignored, a WebSocket gets 501")
    func upgrades() async throws {
        try await ProxyStage.run { stage in
            let h2c = try await stage.ask(
                "GET /v1/acc/g/openai/x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
            #expect(h2c.statusCode == 200)
            let socket = try await stage.ask(
                "GET /v1/acc/g HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            #expect(socket.statusCode == 501)
        }
    }

    @Test("what is not under /v1/ goes to the control plane, with back-pressure and keep-alive")
    func control() async throws {
        try await ProxyStage.run { stage in
            let client = try await stage.client()
            client.send("POST /client/v4/x?y HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nabcd")
            #expect(await client.wait(for: "POST /client/v4/x?y 4"))
            client.send("GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
            #expect(await client.wait { $0.suffix(5).elementsEqual("0\r\n\r\n".utf8) && $0.count > 4 << 20 })
            client.send("GET /silent HTTP/1.1\r\nHost: h\r\n\r\n")
            #expect(await client.wait(for: "HTTP/1.1 500"))
            client.close()
        }
    }

    @Test(
        "a body over the limit is refused, also in chunks",
        arguments: ["/openai/x", "/compat/chat/completions", "/else"])
    func longBody(path: String) async throws {
        var settings = DataPlaneSettings()
        settings.requestBodyBytesMax = 1_000
        settings.controlBodyBytesMax = 1_000
        try await ProxyStage.run(settings, script: { _, _, _ in }) { stage in
            let client = try await stage.client()
            let target = path == "/else" ? path : "/v1/acc/g" + path
            client.send("POST \(target) HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in 0..<3 { client.send("190\r\n\(String(repeating: "a", count: 400))\r\n") }
            await client.waitForClose()
            #expect(client.received.statusCode == 413)
        }
    }

    @Test(
        "refusals speak the language of what was asked, and a body that is announced too long is not waited for",
        arguments: [("/v1/acc/g/openai/x", "\"error\":["), ("/client/v4/accounts", "\"errors\":[")])
    func refusalShape(path: String, key: String) async throws {
        var settings = DataPlaneSettings()
        settings.requestBodyBytesMax = 1_000
        settings.controlBodyBytesMax = 1_000
        try await ProxyStage.run(settings) { stage in
            let client = try await stage.client()
            client.send("POST \(path) HTTP/1.1\r\nHost: h\r\nContent-Length: 2000\r\n\r\n")
            await client.waitForClose()
            #expect(client.received.statusCode == 413)
            #expect(client.received.has(key) && client.received.has("\"code\":7001"))
            #expect(client.received.has("cf-aig-request-id: ") == path.hasPrefix("/v1/"))
        }
    }

    @Test("what is too long to be held runs once without retries, or is refused where it must be held")
    func tooLongToHold() async throws {
        var settings = DataPlaneSettings()
        settings.replayBytesMax = 100_000
        settings.bodyCaptureBytesMax = 1_000
        try await ProxyStage.run(
            settings,
            script: { peer, _, _ in
                peer.send(ProxyStage.answer("busy", status: "503 Service Unavailable"))
            }
        ) { stage in
            let long = String(repeating: "a", count: 400_000)
            let answer = try await stage.ask(
                ProxyStage.post("/openai/x", long, headers: "cf-aig-max-attempts: 3\r\n"))
            #expect(answer.statusCode == 503)
            let row = try #require(await stage.capture.rows(1).first)
            #expect(row.attempts == 1 && row.requestBytes == 400_000 && row.requestBody.count == 1_000)
            #expect(row.flags.contains(.requestBodyTruncated))
            let compat = try await stage.ask(ProxyStage.post("/compat/chat/completions", long))
            #expect(compat.statusCode == 413)
        }
    }

    @Test("one connection too many is closed at once")
    func limit() async throws {
        var settings = DataPlaneSettings()
        settings.connectionsMax = 1
        try await ProxyStage.run(settings) { stage in
            let first = try await stage.client()
            first.send(Self.get)
            #expect(await first.wait(for: ProxyStage.chat))
            let second = try await stage.client()
            second.send(Self.get)
            await second.waitForClose()
            #expect(second.receivedBytes == 0)
            first.close()
        }
    }
}

private struct Dice {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
