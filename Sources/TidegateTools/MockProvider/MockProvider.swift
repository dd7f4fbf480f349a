package import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import Synchronization

/// A provider for tests, trials and benchmarks: OpenAI, Anthropic, Gemini and Workers AI on one port.
package final class MockProvider: Sendable {
    package let port: Int
    private let server: any Channel
    private let connections: MockConnections

    private init(server: any Channel, port: Int, connections: MockConnections) {
        self.server = server
        self.port = port
        self.connections = connections
    }

    /// - Parameter port: 0 picks a free one.
    package static func start(
        host: String = "127.0.0.1", port: Int = 0, behaviour: MockBehaviour = MockBehaviour(),
        group: any EventLoopGroup
    ) async throws -> MockProvider {
        let core = MockCore(behaviour: behaviour)
        let counters = MockCounters()
        let connections = MockConnections()
        let server = try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1_024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                connections.add(channel)
                return channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.configureHTTPServerPipeline(withErrorHandling: true)
                    try pipeline.addHandler(MockHandler(core: core, counters: counters))
                }
            }
            .bind(host: host, port: port).get()
        return MockProvider(
            server: server, port: server.localAddress?.port ?? port, connections: connections)
    }

    /// Stops accepting and closes what is open.
    package func close() async {
        try? await server.close()
        for channel in connections.all() { try? await channel.close() }
    }
}

/// The open connections of one mock provider.
private final class MockConnections: Sendable {
    private let open = Mutex<[ObjectIdentifier: any Channel]>([:])

    func add(_ channel: any Channel) {
        let id = ObjectIdentifier(channel)
        open.withLock { $0[id] = channel }
        channel.closeFuture.whenComplete { _ in self.open.withLock { $0[id] = nil } }
    }

    func all() -> [any Channel] { open.withLock { Array($0.values) } }
}
