internal import NIOCore
internal import NIOSSL

/// The connections of one origin: who has one, who waits for one.
///
/// A new connection belongs to the exchange that asked for it, so that its failure has one owner; connections that come
/// back serve those that wait, in order. Invariant: nobody waits while fewer than the limit exist.
final class OriginPool {
    let origin: Origin
    let eventLoop: any EventLoop
    let settings: UpstreamSettings
    let tlsContext: NIOSSLContext?
    let counters: UpstreamCounters

    /// The one used last is at the end, and is used first: surplus connections grow old in front and are closed.
    private var idle: [UpstreamConnection] = []
    private var handshaking: [UpstreamConnection] = []
    private var waiting = CircularBuffer<UpstreamExchange>()
    /// Connections that are being made, run, or lie idle.
    private var total = 0
    private var isClosed = false
    private var whenEmpty: () -> Void = {}

    init(
        _ origin: Origin, eventLoop: any EventLoop, settings: UpstreamSettings, tlsContext: NIOSSLContext?,
        counters: UpstreamCounters
    ) {
        self.origin = origin
        self.eventLoop = eventLoop
        self.settings = settings
        self.tlsContext = tlsContext
        self.counters = counters
    }

    var isEmpty: Bool { total == 0 && waiting.isEmpty }

    // MARK: Exchanges

    func serve(_ exchange: UpstreamExchange) {
        counters.counts.exchanges += 1
        if let connection = takeIdle() {
            counters.counts.reuses += 1
            connection.run(exchange)
        } else if total < settings.connectionsPerOriginMax {
            open(for: exchange)
        } else if waiting.count < settings.waitingPerOriginMax {
            exchange.waitDeadline = .now() + settings.waitTimeout
            waiting.append(exchange)
        } else {
            refuse(exchange, .queueFull)
        }
    }

    /// Sends the request of an exchange again, on a connection that has no past. The one that failed still counts, so
    /// that its place passes on; `removed` follows.
    func replay(_ exchange: UpstreamExchange) {
        counters.counts.replays += 1
        open(for: exchange)
    }

    /// Fails an exchange after the caller has returned from `start`.
    func refuse(_ exchange: UpstreamExchange, _ failure: UpstreamFailure) {
        counters.counts.refusals += 1
        eventLoop.assumeIsolated().execute { exchange.fail(failure) }
    }

    func cancelled(_ exchange: UpstreamExchange) {
        if let index = waiting.firstIndex(where: { $0 === exchange }) { waiting.remove(at: index) }
        if isEmpty { whenEmpty() }
    }

    // MARK: Connections

    /// The exchange of a connection that is being made may have been cancelled meanwhile: the connection is kept.
    func ready(_ connection: UpstreamConnection, for exchange: UpstreamExchange) {
        handshaking.removeAll { $0 === connection }
        counters.counts.connectionsOpened += 1
        if exchange.isDone { release(connection) } else { connection.run(exchange) }
    }

    /// Takes a connection back whose exchange ended well.
    func release(_ connection: UpstreamConnection) {
        let now = NIODeadline.now()
        guard !isClosed, !connection.isTooOld(at: now) else { return connection.close() }
        if let exchange = waiting.popFirst() {
            counters.counts.reuses += connection.isReused ? 1 : 0
            connection.run(exchange)
        } else {
            connection.rest(at: now)
            idle.append(connection)
        }
    }

    /// A connection is gone, or could not be made: its place is free.
    func removed(_ connection: UpstreamConnection?) {
        total -= 1
        if let connection {
            if let index = idle.lastIndex(where: { $0 === connection }) { idle.remove(at: index) }
            handshaking.removeAll { $0 === connection }
        }
        while total < settings.connectionsPerOriginMax, let exchange = waiting.popFirst() { open(for: exchange) }
        if isEmpty { whenEmpty() }
    }

    func isShaking(_ connection: UpstreamConnection) { handshaking.append(connection) }

    /// - Parameter whenEmpty: called when the last connection is gone, if there is one.
    func close(whenEmpty: @escaping () -> Void) {
        isClosed = true
        self.whenEmpty = whenEmpty
        for exchange in waiting { refuse(exchange, .poolClosed) }
        waiting.removeAll()
        for connection in idle { connection.close() }
    }

    func sweep(at now: NIODeadline) {
        for connection in idle where connection.isIdleTooLong(at: now) || connection.isTooOld(at: now) {
            connection.close()
        }
        for connection in handshaking { connection.checkHandshake(at: now) }
        while let exchange = waiting.first, exchange.waitDeadline <= now {
            waiting.removeFirst()
            counters.counts.refusals += 1
            exchange.fail(.waitTimeout)
        }
    }

    // MARK: Private

    private func takeIdle() -> UpstreamConnection? {
        guard !idle.isEmpty else { return nil }
        let now = NIODeadline.now()
        while let connection = idle.popLast() {
            if connection.canRun(at: now) { return connection }
            connection.close()
        }
        return nil
    }

    private func open(for exchange: UpstreamExchange) {
        total += 1
        UpstreamConnection.open(in: self) { [self] result in
            switch result {
            case .success(let connection): connection.connected(for: exchange)
            case .failure(let failure):
                counters.counts.connectionsFailed += 1
                exchange.fail(failure)
                removed(nil)
            }
        }
    }
}
