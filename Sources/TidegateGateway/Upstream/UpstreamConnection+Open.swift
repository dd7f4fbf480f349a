internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL

extension UpstreamConnection {
    /// Looks the name up and connects. Addresses of both families are tried as RFC 8305 says, so several channels may be
    /// made; the first that connects is the result.
    static func open(
        in home: OriginPool, completion: @escaping (Result<UpstreamConnection, UpstreamFailure>) -> Void
    ) {
        let settings = home.settings
        let bound = NIOLoopBound(home, eventLoop: home.eventLoop)
        let bootstrap = ClientBootstrap(group: home.eventLoop)
            .connectTimeout(settings.connectTimeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(
                .writeBufferWaterMark,
                value: .init(low: settings.writeBufferHighWater / 2, high: settings.writeBufferHighWater)
            )
            .channelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(
                    minimum: min(1_024, settings.readBytesMax), initial: min(2_048, settings.readBytesMax),
                    maximum: settings.readBytesMax)
            )
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try addHandlers(to: channel, of: bound.value) }
            }
        connect(bootstrap, to: home.origin).assumeIsolated().whenComplete { result in
            completion(
                result.flatMap { channel in
                    Result { try channel.pipeline.syncOperations.handler(type: UpstreamConnection.self) }
                }.mapError(failure))
        }
    }

    private static func connect(_ bootstrap: ClientBootstrap, to origin: Origin) -> EventLoopFuture<any Channel> {
        // An address needs no lookup, which would cost a thread.
        if let address = try? SocketAddress(ipAddress: origin.host, port: origin.port) {
            return bootstrap.connect(to: address)
        }
        return bootstrap.connect(host: origin.host, port: origin.port)
    }

    /// Bytes pass `TLS · gate · encoder · decoder · connection`.
    private static func addHandlers(to channel: any Channel, of home: OriginPool) throws {
        let connection = UpstreamConnection(home: home)
        let pipeline = channel.pipeline.syncOperations
        if home.origin.isTLS { try pipeline.addHandler(tlsHandler(of: home)) }
        try pipeline.addHandler(UpstreamReadGate(connection))
        var encoding = HTTPRequestEncoder.Configuration()
        encoding.automaticallySetFramingHeaders = false
        try pipeline.addHandler(HTTPRequestEncoder(configuration: encoding))
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = home.settings.headBytesMax
        limits.maxHeaderListSize = home.settings.headBytesMax
        limits.maxHeaderFieldCount = home.settings.headFieldsMax
        let decoder = HTTPResponseDecoder(informationalResponseStrategy: .forward, limitConfiguration: limits)
        try pipeline.addHandler(ByteToMessageHandler(decoder))
        try pipeline.addHandler(connection)
    }

    /// Without a name there is no SNI, and the certificate must hold the address.
    private static func tlsHandler(of home: OriginPool) throws -> NIOSSLClientHandler {
        guard let context = home.tlsContext else { throw MissingTLSContext() }
        let isAddress = (try? SocketAddress(ipAddress: home.origin.host, port: 0)) != nil
        return try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : home.origin.host)
    }

    private static func failure(_ error: any Error) -> UpstreamFailure {
        if error is MissingTLSContext || error is NIOSSLExtraError || error is NIOSSLError { return .tlsFailed(error) }
        if let error = error as? NIOConnectionError, error.connectionErrors.isEmpty,
            error.dnsAError != nil || error.dnsAAAAError != nil
        {
            return .dnsFailed(error)
        }
        return .connectFailed(error)
    }
}

/// The pool was made without a TLS context and met an `https` origin.
struct MissingTLSContext: Error {}
