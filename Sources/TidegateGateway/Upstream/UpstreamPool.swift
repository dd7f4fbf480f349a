package import NIOCore
package import NIOHTTP1
package import NIOSSL

/// Connections to providers, kept alive between exchanges. One per event loop; it never leaves it, and so nothing here is
/// locked. Each origin has its own `OriginPool`.
package final class UpstreamPool {
    package let eventLoop: any EventLoop
    package let settings: UpstreamSettings
    /// What happened since the start.
    package var counts: UpstreamCounts { counters.counts }

    private let tlsContext: NIOSSLContext?
    private let counters = UpstreamCounters()
    private var origins: [Origin: OriginPool] = [:]
    private var isSweeping = false
    private var drained: EventLoopPromise<Void>?

    /// - Parameter tlsContext: of `UpstreamSettings.makeTLSContext()`; without one, exchanges with TLS origins fail.
    package init(eventLoop: any EventLoop, settings: UpstreamSettings, tlsContext: NIOSSLContext?) {
        self.eventLoop = eventLoop
        self.settings = settings
        self.tlsContext = tlsContext
    }

    /// Starts one exchange; finish its request with `finishRequest`, also when it has no body.
    /// - Parameters:
    ///   - head: field names and values are taken as valid, hop-by-hop fields and `Expect` as removed. The version,
    ///     `content-length` and `transfer-encoding` are set here, `host` where it is missing.
    ///   - delegate: held until the end; never called from inside this call.
    package func start(
        _ head: HTTPRequestHead, to origin: Origin, body: UpstreamBody, delegate: any UpstreamDelegate
    ) -> UpstreamExchange {
        eventLoop.assertInEventLoop()
        let home = pool(of: origin)
        let exchange = UpstreamExchange(framed(head, origin, body), to: home, body: body, delegate: delegate)
        if drained == nil { home.serve(exchange) } else { home.refuse(exchange, .poolClosed) }
        scheduleSweep()
        return exchange
    }

    /// Takes no more exchanges, fails those that wait, closes idle connections; running exchanges finish.
    /// - Returns: fulfilled when the last connection is gone.
    @discardableResult
    package func close() -> EventLoopFuture<Void> {
        eventLoop.assertInEventLoop()
        if let drained { return drained.futureResult }
        let promise = eventLoop.makePromise(of: Void.self)
        drained = promise
        for home in origins.values { home.close(whenEmpty: finishDraining) }
        finishDraining()
        return promise.futureResult
    }

    private func pool(of origin: Origin) -> OriginPool {
        if let home = origins[origin] { return home }
        let home = OriginPool(
            origin, eventLoop: eventLoop, settings: settings, tlsContext: tlsContext, counters: counters)
        origins[origin] = home
        return home
    }

    private func framed(_ head: HTTPRequestHead, _ origin: Origin, _ body: UpstreamBody) -> HTTPRequestHead {
        var head = head
        head.version = .http1_1
        head.headers.remove(name: "transfer-encoding")
        head.headers.remove(name: "content-length")
        switch body {
        case .none: break
        case .length(let length): head.headers.add(name: "content-length", value: String(length))
        case .chunked: head.headers.add(name: "transfer-encoding", value: "chunked")
        }
        if !head.headers.contains(name: "host") { head.headers.add(name: "host", value: origin.authority) }
        return head
    }

    private func finishDraining() {
        guard let drained, origins.values.allSatisfy(\.isEmpty) else { return }
        origins = [:]
        drained.succeed(())
    }

    // MARK: Timeouts

    /// One timer for all timeouts: they are kept to within an eighth of the shortest one. It runs while there is anything
    /// to watch.
    private func scheduleSweep() {
        guard !isSweeping else { return }
        isSweeping = true
        let shortest = min(settings.connectTimeout, settings.waitTimeout, settings.idleTimeout)
        let period = TimeAmount.nanoseconds(max(shortest.nanoseconds / 8, 1_000_000))
        eventLoop.assumeIsolated().scheduleTask(in: period) { [weak self] in self?.sweep() }
    }

    private func sweep() {
        isSweeping = false
        let now = NIODeadline.now()
        for (origin, home) in origins {
            home.sweep(at: now)
            if home.isEmpty { origins[origin] = nil }
        }
        if !origins.isEmpty { scheduleSweep() }
    }
}

/// Totals of one pool since its start.
package struct UpstreamCounts: Equatable, Sendable {
    package var connectionsOpened = 0
    package var connectionsFailed = 0
    package var exchanges = 0
    /// Exchanges that ran on a connection with a past.
    package var reuses = 0
    /// Requests sent a second time because a pooled connection was closed.
    package var replays = 0
    /// Exchanges that found the queue full or waited too long.
    package var refusals = 0
    package init() {}
}

/// The one place where a pool's totals change.
final class UpstreamCounters {
    var counts = UpstreamCounts()
}
