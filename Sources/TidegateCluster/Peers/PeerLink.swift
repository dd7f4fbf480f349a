internal import CoreMetrics
internal import GRPCCore
internal import GRPCNIOTransportHTTP2Posix
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import Synchronization
internal import TidegateCore
internal import TidegateWire

/// One peer as this node reaches it: its connection, and the queue of parcels for it.
///
/// The shell of `PeerQueueCore`. Its state changes only under the lock; senders' replies and signals happen after it.
final class PeerLink: Sendable {
    typealias Client = GRPCClient<HTTP2ClientTransport.Posix>
    typealias Reply = @Sendable ([RecordVerdict]) -> Void

    /// What a delivery call is told from outside.
    private struct Line {
        /// There is something to write.
        let bell: AsyncStream<Void>.Continuation
        let hangUp: AsyncStream<PeerFailure?>.Continuation
    }
    private struct State {
        var core: PeerQueueCore
        var replies: [UInt64: Reply] = [:]
        /// What the core has sent and is not yet written; the credit bounds it.
        var outgoing: [PeerParcel] = []
        var line: Line?
        var calls = 0
        var lastUsed: Duration
        /// Whether the last call broke, so that an outage makes two lines of log and not thousands.
        var isBroken = false
    }

    let peer: PeerAddress
    let client: Client
    let greeting: PeerGreeting
    let settings: PeerSettings
    let metrics: PeerMetrics
    let logger: Logger
    private let state: Mutex<State>
    private let demand: AsyncStream<Void>
    private let want: AsyncStream<Void>.Continuation
    private let origin: ContinuousClock.Instant

    init(
        to peer: PeerAddress, from greeting: PeerGreeting, security: PeerSecurity, settings: PeerSettings,
        metrics: PeerMetrics, connections: ConnectionCount, threads: MultiThreadedEventLoopGroup, logger: Logger
    ) throws {
        self.peer = peer
        self.greeting = greeting
        self.settings = settings
        self.metrics = metrics
        var logger = logger
        logger[metadataKey: "peer.node"] = "\(peer.node)"
        logger[metadataKey: "peer.address"] = "\(peer.host):\(peer.port)"
        self.logger = logger
        client = Client(
            transport: try HTTP2ClientTransport.Posix(
                target: Self.target(peer), transportSecurity: security.client,
                config: Self.config(peer, settings, metrics, connections), eventLoopGroup: threads))
        origin = ContinuousClock().now
        state = Mutex(State(core: PeerQueueCore(settings: settings.queue), lastUsed: .zero))
        (demand, want) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    private static func target(_ peer: PeerAddress) -> any ResolvableTarget {
        switch try? NIOCore.SocketAddress(ipAddress: peer.host, port: peer.port) {
        case .v4: .ipv4(address: peer.host, port: peer.port)
        case .v6: .ipv6(address: peer.host, port: peer.port)
        default: .dns(host: peer.host, port: peer.port)
        }
    }

    private static func config(
        _ peer: PeerAddress, _ settings: PeerSettings, _ metrics: PeerMetrics, _ connections: ConnectionCount
    ) -> HTTP2ClientTransport.Posix.Config {
        var config = HTTP2ClientTransport.Posix.Config.defaults
        config.http2.authority = PeerName.dns(of: peer.node)
        config.http2.targetWindowSize = settings.messageBytes * 2
        config.backoff = .init(
            initial: settings.queue.pauseMin, max: settings.queue.pauseMax, multiplier: 1.6, jitter: 0.2)
        config.connection.maxIdleTime = settings.idleMax
        config.connection.keepalive = .init(
            time: settings.pingAfter, timeout: settings.pingWithin, allowWithoutCalls: false)
        config.channelDebuggingCallbacks.onCreateTCPConnection = { channel in
            metrics.connectionsOut.set(connections.opened())
            channel.closeFuture.whenComplete { _ in metrics.connectionsOut.set(connections.closed()) }
            return channel.eventLoop.makeSucceededVoidFuture()
        }
        return config
    }

    private var now: Duration { origin.duration(to: ContinuousClock().now) }

    // MARK: - What callers use

    func submit(_ batch: DeliveryBatch, relay: PeerAddress?, reply: @escaping Reply) {
        let now = now
        step(.submitted(batch, relay: relay)) { state in
            state.lastUsed = now
            state.replies[state.core.nextTicket] = reply
        }
    }

    /// Takes one of the places for calls, until `endCall`.
    func beginCall() -> Bool {
        let now = now
        return state.withLock { state in
            guard state.calls < settings.callsMax else { return false }
            state.calls += 1
            state.lastUsed = now
            return true
        }
    }
    func endCall() {
        let now = now
        state.withLock { state in
            state.calls -= 1
            state.lastUsed = now
        }
    }

    /// How long nobody has talked to it; `nil` while somebody does.
    var idleTime: Duration? {
        let now = now
        return state.withLock { $0.core.isIdle && $0.calls == 0 ? now - $0.lastUsed : nil }
    }

    /// Keeps the connection until cancelled or closed.
    func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask {
                do { try await self.client.runConnections() } catch {
                    self.logger.error("The connection to a node ended", metadata: ["error": "\(error)"])
                }
                self.close()
            }
            for await _ in demand { await deliver() }
            close()
            client.beginGracefulShutdown()
        }
    }

    /// Parcels that wait are answered; no more are taken.
    func close() {
        step(.closed)
        want.finish()
    }

    // MARK: - Deliveries

    private func step(_ event: PeerQueueCore.Event, after prepare: (inout State) -> Void = { _ in }) {
        var answers: [(Reply, [RecordVerdict])] = []
        var mustOpen = false
        let now = now
        state.withLock { state in
            prepare(&state)
            for effect in state.core.handle(event, at: now) {
                switch effect {
                case .open: mustOpen = true
                case .send(let parcels):
                    state.outgoing += parcels
                    state.line?.bell.yield()
                case .answer(let ticket, let verdicts, let failure):
                    if let reply = state.replies.removeValue(forKey: ticket) { answers.append((reply, verdicts)) }
                    if let failure { metrics.failed(failure) }
                case .hangUp(let failure): state.line?.hangUp.yield(failure)
                }
            }
        }
        if mustOpen { want.yield() }
        for (reply, verdicts) in answers { reply(verdicts) }
    }

    /// One delivery call, from its beginning to its end.
    private func deliver() async {
        let (news, bell) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let (hangUps, hangUp) = AsyncStream<PeerFailure?>.makeStream(bufferingPolicy: .bufferingOldest(1))
        state.withLock { $0.line = Line(bell: bell, hangUp: hangUp) }
        var problem: (any Error)?
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await self.call(news) }
                group.addTask { try await self.tick() }
                group.addTask {
                    for await failure in hangUps {
                        if let failure { throw TidegateError(.unavailable, "the peer is given up: \(failure)") }
                        return
                    }
                }
                defer { group.cancelAll() }
                try await group.next()
            }
        } catch { problem = error }
        tell(problem)
        step(.broken(jitter: Double.random(in: 0...1))) { state in
            state.line = nil
            state.outgoing = []
        }
    }

    private func tell(_ problem: (any Error)?) {
        guard let problem, !Task.isCancelled else { return }
        let isFirst = state.withLock { state in
            defer { state.isBroken = true }
            return !state.isBroken
        }
        logger.log(
            level: isFirst ? .warning : .debug, "Rows do not reach a node, trying again",
            metadata: ["error": "\(TidegateError(problem, peer: peer))"])
    }

    private func tick() async throws {
        while true {
            try await Task.sleep(for: settings.queue.answerWithin / 10)
            step(.tick)
        }
    }

    private func call(_ news: AsyncStream<Void>) async throws {
        var options = CallOptions.defaults
        options.maxResponseMessageBytes = settings.messageBytesMax
        try await client.bidirectionalStreaming(
            request: StreamingClientRequest { writer in
                var first = Tidegate_Peer_DeliverRequest()
                first.hello = self.greeting.hello
                try await writer.write(first)
                for await _ in news {
                    while let request = self.nextMessage() { try await writer.write(request) }
                }
            }, descriptor: PeerMethods.deliver, serializer: WireCoding<Tidegate_Peer_DeliverRequest>(),
            deserializer: WireCoding<Tidegate_Peer_DeliverAnswer>(), options: options
        ) { response in
            var isGreeted = false
            for try await answer in response.messages {
                if !isGreeted {
                    try self.greeted(answer.hello)
                    isGreeted = true
                }
                try self.heard(answer)
            }
        }
    }

    private func nextMessage() -> Tidegate_Peer_DeliverRequest? {
        let parcels = state.withLock { state in
            var bytes = 0
            let parcels = state.outgoing.prefix { parcel in
                defer { bytes += parcel.cost }
                return bytes == 0 || bytes + parcel.cost <= settings.messageBytes
            }
            state.outgoing.removeFirst(parcels.count)
            return parcels
        }
        guard !parcels.isEmpty else { return nil }
        var request = Tidegate_Peer_DeliverRequest()
        request.batches = parcels.map(\.wire)
        metrics.batchesSent.increment(by: parcels.count)
        metrics.bytesSent.increment(by: parcels.reduce(0) { $0 + $1.batch.bytes })
        return request
    }

    private func greeted(_ hello: Tidegate_Peer_Hello) throws {
        let theirs = try PeerGreeting(hello)
        _ = try greeting.versions.common(with: theirs.versions)
        guard theirs.node == peer.node else {
            throw TidegateError(.notOwner, "node \(theirs.node) answers where node \(peer.node) should")
        }
        let wasBroken = state.withLock { state in
            defer { state.isBroken = false }
            return state.isBroken
        }
        if wasBroken { logger.info("Rows reach the node again") }
        step(.opened)
    }

    private func heard(_ answer: Tidegate_Peer_DeliverAnswer) throws {
        for verdicts in answer.verdicts {
            guard let records = state.withLock({ $0.core.records(of: verdicts.ticket) }) else {
                step(.decided(ticket: verdicts.ticket, []))
                continue
            }
            step(.decided(ticket: verdicts.ticket, try verdicts.verdicts(of: records)))
        }
        if answer.credit > 0 { step(.granted(Int(clamping: min(answer.credit, 1 << 30)))) }
    }
}
