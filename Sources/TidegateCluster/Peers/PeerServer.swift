internal import CoreMetrics
internal import GRPCCore
internal import GRPCNIOTransportHTTP2Posix
package import Logging
internal import NIOCore
package import NIOPosix
internal import ServiceLifecycle
internal import Synchronization
package import TidegateCore
internal import TidegateWire

/// Lets other nodes call this one.
///
/// A listener that fails while the node runs is opened again on the same port: one bad connection must not cut a node off.
package final class PeerServer: Service {
    private typealias Transport = HTTP2ServerTransport.Posix

    private let host: String
    private let port: Mutex<Int>
    private let security: PeerSecurity
    private let settings: PeerSettings
    private let calls: PeerCalls
    private let lines: OpenLines
    private let metrics = PeerMetrics()
    private let threads: MultiThreadedEventLoopGroup
    private let logger: Logger
    private let connections = ConnectionCount()
    private let server = Mutex<GRPCServer<Transport>?>(nil)
    private let isStopping = Flag()
    /// The address once the port is bound, the failure if it cannot be.
    private let bound: AsyncThrowingStream<Int, any Error>
    private let found: AsyncThrowingStream<Int, any Error>.Continuation

    /// - Parameters:
    ///   - host: an IP address, or a name of this machine.
    ///   - port: 0 for any that is free.
    ///   - threads: for the sockets; a group of one or two threads that nothing slow runs on.
    /// - Throws: `.invalidConfiguration` when the certificate cannot serve this node.
    package init(
        node: String, host: String, port: Int, security: PeerSecurity, service: any PeerService,
        settings: PeerSettings = PeerSettings(), threads: MultiThreadedEventLoopGroup, logger: Logger
    ) throws(TidegateError) {
        try security.check(node: node)
        self.host = host
        self.port = Mutex(port)
        self.security = security
        self.settings = settings
        self.threads = threads
        self.logger = logger
        lines = OpenLines(room: GrowthRoom(bytes: settings.credit.growthMax))
        let isMutual = if case .mutual = security { true } else { false }
        calls = PeerCalls(
            node: node, isMutual: isMutual, versions: settings.versions, service: service, settings: settings,
            metrics: metrics, logger: logger, lines: lines)
        (bound, found) = AsyncThrowingStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Where it listens; waits until it does. One caller.
    package func listeningPort() async throws -> Int {
        for try await port in bound { return port }
        throw CancellationError()
    }

    /// Serves until cancelled or shut down. Then verdicts that are owed are waited for, for a moment.
    package func run() async throws {
        try await withGracefulShutdownHandler {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await self.serve() }
                group.addTask {
                    try await gracefulShutdown()
                    try await Task.sleep(for: self.settings.stopGrace)
                    self.lines.abandon()
                }
                defer { group.cancelAll() }
                try await group.next()
            }
        } onGracefulShutdown: {
            self.stop()
        }
    }

    private func stop() {
        isStopping.set()
        lines.stop()
        server.withLock { $0 }?.beginGracefulShutdown()
    }

    private func serve() async throws {
        var hasServed = false
        while !isStopping.isSet, !Task.isCancelled {
            do {
                try await serveOnce { hasServed = true }
            } catch {
                guard hasServed, !Task.isCancelled else {
                    found.finish(throwing: error)
                    throw error
                }
                logger.error("Listening for other nodes failed, trying again", metadata: ["error": "\(error)"])
                try await Task.sleep(for: .seconds(1))
            }
        }
    }

    private func serveOnce(onBound: () -> Void) async throws {
        let address = try await resolve()
        let transport = Transport(
            address: address, transportSecurity: security.server, config: config, eventLoopGroup: threads)
        let server = GRPCServer(transport: transport, services: [calls])
        self.server.withLock { $0 = server }
        if isStopping.isSet { return }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.serve() }
            guard let port = try? await transport.listeningAddress.ipPort else {
                try await group.next()
                throw TidegateError(.unavailable, "\(self.host) cannot be listened on for other nodes")
            }
            self.port.withLock { $0 = port }
            onBound()
            found.yield(port)
            try await group.next()
        }
    }

    private func resolve() async throws -> GRPCNIOTransportCore.SocketAddress {
        let port = port.withLock { $0 }
        let host = host
        let address = try await NIOThreadPool.singleton.runIfActive {
            try NIOCore.SocketAddress.makeAddressResolvingHost(host, port: port)
        }
        switch address {
        case .v4: return .ipv4(host: address.ipAddress ?? host, port: port)
        case .v6: return .ipv6(host: address.ipAddress ?? host, port: port)
        case .unixDomainSocket: throw TidegateError(.invalidConfiguration, "\(host) is no address of a network")
        }
    }

    private var config: Transport.Config {
        var config = Transport.Config.defaults
        config.rpc.maxRequestPayloadSize = settings.messageBytesMax
        config.http2.maxConcurrentStreams = settings.callsMax + 16
        config.http2.targetWindowSize = settings.messageBytes * 2
        config.connection.maxGraceTime = settings.stopGrace
        config.connection.keepalive.time = settings.pingAfter * 2
        config.connection.keepalive.timeout = settings.pingWithin
        config.connection.keepalive.clientBehavior = .init(
            minPingIntervalWithoutCalls: settings.pingAfter / 2, allowWithoutCalls: true)
        config.channelDebuggingCallbacks.onAcceptTCPConnection = { [connections, metrics, settings, logger] channel in
            let count = connections.opened()
            metrics.connectionsIn.set(count)
            channel.closeFuture.whenComplete { _ in metrics.connectionsIn.set(connections.closed()) }
            guard count > settings.connectionsMax else { return channel.eventLoop.makeSucceededVoidFuture() }
            logger.warning("Too many connections of other nodes", metadata: ["peer.connections": "\(count)"])
            return channel.eventLoop.makeFailedFuture(TidegateError(.overloaded, "too many connections"))
        }
        return config
    }
}

/// Connections that are open.
final class ConnectionCount: Sendable {
    private let count = Mutex(0)
    func opened() -> Int {
        count.withLock {
            $0 += 1; return $0
        }
    }
    func closed() -> Int {
        count.withLock {
            $0 -= 1; return $0
        }
    }
}

extension GRPCNIOTransportCore.SocketAddress {
    fileprivate var ipPort: Int? { ipv4?.port ?? ipv6?.port }
}
