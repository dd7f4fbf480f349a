package import Logging
package import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL
internal import Synchronization
package import TidegateCore

/// The public listener: proxies `/v1/…`, hands everything else to the control plane.
///
/// Each event loop serves its connections with its own upstream pool; loops share nothing but counters and the seams.
package final class DataPlane: Sendable {
    private struct Running {
        var channel: (any Channel)?
        var loops: [NIOLoopBound<LoopState>] = []
    }

    private let services: DataPlaneServices
    private let upstream: UpstreamSettings
    private let running = Mutex(Running())

    package init(
        settings: DataPlaneSettings = DataPlaneSettings(), upstream: UpstreamSettings = UpstreamSettings(),
        directory: any GatewayDirectory, capture: any CaptureLog, control: any ControlPlane, providers: ProviderTable,
        prices: PriceTable, clock: any WallClock, logger: Logger
    ) {
        let metrics = DataPlaneMetrics()
        services = DataPlaneServices(
            settings: settings, directory: directory, capture: capture, control: control, providers: providers,
            prices: prices, clock: clock, logger: logger, metrics: metrics,
            gate: ConnectionGate(limit: settings.connectionsMax, metrics: metrics))
        self.upstream = upstream
    }

    /// Connections open now, over all loops.
    package var connections: Int { services.gate.count }

    /// Binds and serves on every loop of `group`. Port 0 takes a free one.
    /// - Returns: the address bound.
    /// - Throws: `.invalidConfiguration` for certificates that cannot be used; what binding throws.
    package func start(host: String, port: Int, group: any EventLoopGroup) async throws -> SocketAddress {
        let listenerTLS = try services.settings.tls.map(Self.listenerContext)
        let upstreamTLS = try Self.upstreamContext(upstream)
        let eventLoops = Array(group.makeIterator())
        var loops: [ObjectIdentifier: NIOLoopBound<LoopState>] = [:]
        for eventLoop in eventLoops {
            let (services, upstream) = (services, upstream)
            loops[ObjectIdentifier(eventLoop)] = try await eventLoop.submit {
                let pool = UpstreamPool(eventLoop: eventLoop, settings: upstream, tlsContext: upstreamTLS)
                let loop = LoopState(
                    eventLoop: eventLoop, services: services, loops: eventLoops.count, upstreams: pool)
                loop.start()
                return NIOLoopBound(loop, eventLoop: eventLoop)
            }.get()
        }
        let (byLoop, gate, settings) = (loops, services.gate, services.settings)
        let channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1_024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.maxMessagesPerRead, value: 2)
            .childChannelInitializer { channel in
                guard gate.hasRoom(), let loop = byLoop[ObjectIdentifier(channel.eventLoop)] else {
                    return channel.close()
                }
                return channel.eventLoop.makeCompletedFuture {
                    try Self.configure(channel, loop.value, settings, listenerTLS)
                }
            }
            .bind(host: host, port: port).get()
        running.withLock { running in
            running.channel = channel
            running.loops = Array(loops.values)
        }
        guard let address = channel.localAddress else {
            throw TidegateError(.internalError, "The listener has no address.")
        }
        return address
    }

    /// Fails as `start` would, without serving: before anything else is touched.
    package static func check(
        _ settings: DataPlaneSettings, _ upstream: UpstreamSettings
    ) throws(TidegateError) {
        if let tls = settings.tls { _ = try listenerContext(tls) }
        _ = try upstreamContext(upstream)
    }

    /// Takes new tables into use, loop by loop; calls under way keep what they began with.
    package func reload(providers: ProviderTable, prices: PriceTable) {
        for loop in running.withLock({ $0.loops }) {
            loop.eventLoop.execute { loop.value.reload(providers: providers, prices: prices) }
        }
    }

    /// Stops accepting, ends idle connections, and waits until running calls have ended or `deadline` has passed; what
    /// runs then is cut off.
    package func drain(deadline: NIODeadline) async {
        let (channel, loops) = running.withLock { running in
            defer { running = Running() }
            return (running.channel, running.loops)
        }
        try? await channel?.close().get()
        // Every loop is told before any is waited for.
        let drained = loops.map { loop in loop.eventLoop.flatSubmit { loop.value.drain(until: deadline) } }
        for future in drained { try? await future.get() }
    }

    private static func configure(
        _ channel: any Channel, _ loop: LoopState, _ settings: DataPlaneSettings, _ tls: NIOSSLContext?
    ) throws {
        let pipeline = channel.pipeline.syncOperations
        if let tls { try pipeline.addHandler(NIOSSLServerHandler(context: tls)) }
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = settings.headBytesMax
        limits.maxHeaderListSize = settings.headBytesMax
        limits.maxHeaderFieldCount = settings.headFieldsMax
        var framing = HTTPResponseEncoder.Configuration()
        framing.automaticallySetFramingHeaders = false
        try pipeline.addHandlers([
            HTTPResponseEncoder(configuration: framing),
            ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: limits)),
            ClientConnection(loop: loop),
        ])
    }

    private static func upstreamContext(_ upstream: UpstreamSettings) throws(TidegateError) -> NIOSSLContext {
        do { return try upstream.makeTLSContext() } catch {
            throw TidegateError(
                .invalidConfiguration,
                "The certificates in \(upstream.tls.additionalTrustRootsFile ?? "the system's store") cannot be read: set "
                    + "upstream.trustedRoots to a PEM file.", cause: error)
        }
    }

    private static func listenerContext(_ tls: DataPlaneSettings.TLS) throws(TidegateError) -> NIOSSLContext {
        do {
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: try NIOSSLCertificate.fromPEMFile(tls.certificateChainFile).map { .certificate($0) },
                privateKey: .privateKey(try NIOSSLPrivateKey(file: tls.privateKeyFile, format: .pem)))
            configuration.minimumTLSVersion = .tlsv12
            configuration.applicationProtocols = ["http/1.1"]
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw TidegateError(
                .invalidConfiguration,
                "The certificate \(tls.certificateChainFile) and its key \(tls.privateKeyFile) cannot be used: both must "
                    + "be PEM files that belong together.", cause: error)
        }
    }
}
