import Logging
import NIOCore
import NIOPosix
import NIOSSL
import TidegateCore

@testable import TidegateGateway

/// A data plane on loopback with scripted providers, an in-memory capture log and raw clients.
final class ProxyStage: Sendable {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    /// The gateway's own loops: a provider or client that blocks must not hold them up, nor they it.
    let gatewayGroup: MultiThreadedEventLoopGroup
    let directory = FakeDirectory()
    let capture = FakeCapture()
    let plane: DataPlane
    let server: RawServer
    let port: Int

    private init(
        settings: DataPlaneSettings, loops: Int, script: @escaping RawServer.Script,
        onClose: @escaping @Sendable (RawPeer) -> Void
    ) async throws {
        gatewayGroup = MultiThreadedEventLoopGroup(numberOfThreads: loops)
        server = try await RawServer.start(group, onClose: onClose, script: script)
        let base = "http://127.0.0.1:\(server.port)"
        plane = DataPlane(
            settings: settings, directory: directory, capture: capture, control: FakeControl(),
            providers: try ProviderTable(
                overrides: [
                    "openai": base + "/v1", "anthropic": base, "google-ai-studio": base,
                    "groq": "http://127.0.0.1:1/v1",
                ]),
            prices: try PriceTable.bundled(), clock: FakeClock(), logger: Logger(label: "test"))
        port = try await plane.start(host: "127.0.0.1", port: 0, group: gatewayGroup).port ?? 0
    }

    /// - Parameters:
    ///   - loops: of the gateway. With one, what is seen of one connection holds for all.
    ///   - script: what providers answer.
    static func run(
        _ settings: DataPlaneSettings = DataPlaneSettings(), loops: Int = 2,
        script: @escaping RawServer.Script = ok,
        onClose: @escaping @Sendable (RawPeer) -> Void = { _ in },
        _ body: (ProxyStage) async throws -> Void
    ) async throws {
        let stage = try await ProxyStage(settings: settings, loops: loops, script: script, onClose: onClose)
        do { try await body(stage) } catch {
            await stage.stop()
            throw error
        }
        await stage.stop()
    }

    private func stop() async {
        await plane.drain(deadline: .now())
        try? await server.channel.close().get()
        try? await gatewayGroup.shutdownGracefully()
        try? await group.shutdownGracefully()
    }

    func client(tls: NIOSSLContext? = nil) async throws -> RawClient {
        try await RawClient.connect(group, port: port, tls: tls)
    }

    /// One request on a connection of its own; the whole answer.
    func ask(_ request: String) async throws -> String {
        let client = try await client()
        client.send(request)
        let answer = await client.answer()
        client.close()
        return answer
    }

    static let ok: RawServer.Script = { peer, _, _ in peer.send(answer(chat)) }
    static let chat = """
        {"id":"1","model":"gpt-4o-mini-2024-07-18","choices":[],\
        "usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}
        """

    static func answer(_ body: String, status: String = "200 OK", extra: String = "") -> String {
        "HTTP/1.1 \(status)\r\nContent-Type: application/json\r\n\(extra)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    static func post(
        _ path: String, _ body: String = "{\"model\":\"gpt-4o-mini\"}", headers: String = "", gateway: String = "g"
    ) -> String {
        "POST /v1/acc/\(gateway)\(path) HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\(headers)"
            + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }
}

extension RawPeer {
    func event(_ data: String) {
        let event = "data: \(data)\n\n"
        send("\(String(event.utf8.count, radix: 16))\r\n\(event)\r\n")
    }
}

/// Carries a peer to its loop from a test.
struct RawPeerBox: Sendable {
    private let bound: NIOLoopBound<RawPeer>
    init?(_ peer: RawPeer) {
        guard let loop = peer.channel?.eventLoop else { return nil }
        bound = NIOLoopBound(peer, eventLoop: loop)
    }
    func run(_ body: @escaping @Sendable (RawPeer) -> Void) {
        bound.eventLoop.execute { body(bound.value) }
    }
}
