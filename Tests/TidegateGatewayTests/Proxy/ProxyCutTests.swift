import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import Testing
import TidegateCore

@testable import TidegateGateway

@Suite("Calls that break off", .timeLimit(.minutes(1)))
struct ProxyCutTests {
    private static let sse = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

    @Test("a stream cut at the provider ends with an error in its dialect and no clean end")
    func cutStream() async throws {
        let peers = Mutex<RawPeerBox?>(nil)
        try await ProxyStage.run(script: { peer, _, _ in
            peers.withLock { $0 = RawPeerBox(peer) }
            peer.send(Self.sse)
            peer.event("{\"choices\":[]}")
        }) { stage in
            let client = try await stage.client()
            client.send(ProxyStage.post("/openai/chat/completions"))
            #expect(await client.wait(for: "data: {\"choices\""))
            try #require(peers.withLock { $0 }).run { $0.close() }
            await client.waitForClose()
            #expect(client.received.has("upstream_error") && !client.received.hasSuffix("0\r\n\r\n"))
            let row = try #require(await stage.capture.rows(1).first)
            #expect(row.outcome == .upstreamFailed && row.statusCode == 200)
        }
    }

    @Test(
        "an event stream whose only end is the connection's is whole when its last line is, and cut when not",
        arguments: [("data: {}\n\ndata: [DONE]\n\n", true), ("data: {}\n\ndata: {\"choi", false)])
    func unframedStream(text: String, isWhole: Bool) async throws {
        try await ProxyStage.run(script: { peer, _, _ in
            peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + text)
            peer.close()
        }) { stage in
            let client = try await stage.client()
            client.send(ProxyStage.post("/openai/chat/completions", headers: "Connection: close\r\n"))
            await client.waitForClose()
            let row = try #require(await stage.capture.rows(1).first)
            #expect((row.outcome == .completed) == isWhole)
            #expect(client.received.hasSuffix("0\r\n\r\n") == isWhole)
            #expect(client.received.has("upstream_error") == !isWhole)
        }
    }

    @Test("a provider's impossible status is no answer")
    func impossibleStatus() async throws {
        try await ProxyStage.run(script: { peer, _, _ in
            peer.send("HTTP/1.1 000 Huh\r\nContent-Length: 0\r\n\r\n")
        }) { stage in
            let answer = try await stage.ask(ProxyStage.post("/openai/x"))
            #expect(answer.statusCode == 400 && answer.has("2005"))
            #expect(await stage.capture.rows(1).first?.outcome == .upstreamFailed)
        }
    }

    @Test("a body with a length that is cut ends the connection short of it")
    func cutBody() async throws {
        let peers = Mutex<RawPeerBox?>(nil)
        try await ProxyStage.run(script: { peer, _, _ in
            peers.withLock { $0 = RawPeerBox(peer) }
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst part")
        }) { stage in
            let client = try await stage.client()
            client.send(ProxyStage.post("/openai/x"))
            #expect(await client.wait(for: "first part"))
            try #require(peers.withLock { $0 }).run { $0.reset() }
            await client.waitForClose()
            #expect(client.received.hasSuffix("first part"))
            #expect(await stage.capture.rows(1).first?.outcome == .upstreamFailed)
        }
    }

    @Test("an HTTP/1.0 client sees a cut answer as an error, not as its end")
    func cutHTTP10() async throws {
        let peers = Mutex<RawPeerBox?>(nil)
        try await ProxyStage.run(script: { peer, _, _ in
            peers.withLock { $0 = RawPeerBox(peer) }
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        }) { stage in
            let client = try await stage.client()
            client.send("GET /v1/acc/g/openai/x HTTP/1.0\r\n\r\n")
            #expect(await client.wait(for: "first"))
            try #require(peers.withLock { $0 }).run { $0.close() }
            await client.waitForClose()
            #expect(client.sawError)
        }
    }

    @Test("a client that leaves a stream: it is read on for its usage")
    func drained() async throws {
        let peers = Mutex<RawPeerBox?>(nil)
        try await ProxyStage.run(script: { peer, _, _ in
            peers.withLock { $0 = RawPeerBox(peer) }
            peer.send(Self.sse)
            peer.event("{\"choices\":[]}")
        }) { stage in
            let client = try await stage.client()
            client.send(ProxyStage.post("/openai/chat/completions"))
            #expect(await client.wait(for: "choices"))
            client.close()
            await client.waitForClose()
            while stage.plane.connections > 0 { await Task.yield() }
            try #require(peers.withLock { $0 }).run { peer in
                peer.event("{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}")
                peer.send("0\r\n\r\n")
            }
            let row = try #require(await stage.capture.rows(1).first)
            #expect(row.outcome == .clientLeft && row.usageSource == .drained && row.usage?.output == 4)
        }
    }

    @Test("a client that leaves before an answer cancels the provider's call")
    func leftEarly() async throws {
        let closed = AsyncStream.makeStream(of: Void.self)
        let asked = AsyncStream.makeStream(of: Void.self)
        try await ProxyStage.run(
            script: { _, _, _ in asked.continuation.yield() }, onClose: { _ in closed.continuation.yield() }
        ) { stage in
            let client = try await stage.client()
            client.send(ProxyStage.post("/openai/chat/completions"))
            for await _ in asked.stream { break }
            client.close()
            for await _ in closed.stream { break }
            let row = try #require(await stage.capture.rows(1).first)
            #expect(row.outcome == .clientLeft && row.statusCode == 0 && row.usageSource == .none)
        }
    }

    @Test("a client that does not read stops the provider")
    func backPressure() async throws {
        let sent = Mutex(0)
        let total = 64 << 20
        try await ProxyStage.run(script: { peer, _, _ in
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: \(total)\r\n\r\n")
            let part = String(repeating: "a", count: 1 << 16)
            func pump() {
                while sent.withLock({ $0 }) < total, peer.channel?.isWritable == true {
                    sent.withLock { $0 += part.utf8.count }
                    peer.send(part)
                }
            }
            peer.whenWritable = pump
            pump()
        }) { stage in
            let client = try await stage.client()
            try await client.channel?.setOption(.autoRead, value: false).get()
            client.send(ProxyStage.post("/openai/files/1/content", headers: "cf-aig-collect-log: false\r\n"))
            // Still means: nothing more was sent in many turns of the loop.
            var last = -1
            var still = 0
            while still < 20 {
                try await stage.group.next().scheduleTask(in: .milliseconds(20)) {}.futureResult.get()
                let now = sent.withLock { $0 }
                still = now == last && now > 0 ? still + 1 : 0
                last = now
            }
            #expect(last < 32 << 20)
            try await client.channel?.setOption(.autoRead, value: true).get()
            #expect(await client.wait { $0.count > total })
            client.close()
        }
    }

    @Test("a drain lets a running call end, says close, and refuses new connections")
    func drain() async throws {
        let peers = Mutex<RawPeerBox?>(nil)
        let asked = AsyncStream.makeStream(of: Void.self)
        try await ProxyStage.run(
            loops: 1,
            script: { peer, _, _ in
                peers.withLock { $0 = RawPeerBox(peer) }
                asked.continuation.yield()
            }
        ) { stage in
            let (idle, client) = (try await stage.client(), try await stage.client())
            client.send(ProxyStage.post("/openai/x"))
            for await _ in asked.stream { break }
            async let drained: Void = stage.plane.drain(deadline: .now() + .seconds(20))
            await idle.waitForClose()
            try #require(peers.withLock { $0 }).run { $0.send(ProxyStage.answer("late")) }
            await client.waitForClose()
            #expect(client.received.has("connection: close") && client.received.hasSuffix("late"))
            await drained
            await #expect(throws: (any Error).self) { try await stage.client() }
        }
    }

    @Test("the TLS listener serves")
    func tls() async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "tidegate-listener-\(UUID())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        try makeCertificate(in: directory.path())
        var settings = DataPlaneSettings()
        settings.tls = .init(
            certificateChainFile: directory.path() + "/cert.pem", privateKeyFile: directory.path() + "/key.pem")
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = .file(directory.path() + "/cert.pem")
        let context = try NIOSSLContext(configuration: configuration)
        try await ProxyStage.run(settings) { stage in
            let client = try await stage.client(tls: context)
            client.send(ProxyStage.post("/openai/x"))
            #expect(await client.answer().has(ProxyStage.chat))
            client.close()
        }
    }
}
