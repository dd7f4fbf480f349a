package import Logging
package import NIOPosix
internal import ServiceLifecycle
internal import Synchronization
package import TidegateCore
internal import TidegateWire

/// The way from this node to others over gRPC: one connection a peer, opened when it is first needed.
package final class PeerClients: PeerTransport, Service {
    private struct State {
        var links: [PeerAddress: PeerLink] = [:]
        var isStopped = false
    }

    private let greeting: PeerGreeting
    private let security: PeerSecurity
    private let settings: PeerSettings
    private let threads: MultiThreadedEventLoopGroup
    private let logger: Logger
    private let metrics = PeerMetrics()
    private let connections = ConnectionCount()
    private let state = Mutex(State())
    /// Links that `run` has yet to run; at most as many as there may be.
    private let opened: AsyncStream<PeerLink>
    private let open: AsyncStream<PeerLink>.Continuation

    /// - Parameter threads: for the sockets; a group of one or two threads that nothing slow runs on.
    /// - Throws: `.invalidConfiguration` when the certificate does not name `node`.
    package convenience init(
        node: String, security: PeerSecurity, settings: PeerSettings = PeerSettings(),
        threads: MultiThreadedEventLoopGroup, logger: Logger
    ) throws(TidegateError) {
        try security.check(node: node)
        self.init(claiming: node, security: security, settings: settings, threads: threads, logger: logger)
    }

    /// Without a look at whether the certificate bears the claim out: others will.
    package init(
        claiming node: String, security: PeerSecurity, settings: PeerSettings = PeerSettings(),
        threads: MultiThreadedEventLoopGroup, logger: Logger
    ) {
        greeting = PeerGreeting(node: node, versions: settings.versions)
        self.security = security
        self.settings = settings
        self.threads = threads
        self.logger = logger
        (opened, open) = AsyncStream.makeStream()
    }

    package func submit(
        _ batch: DeliveryBatch, to peer: PeerAddress, relay: PeerAddress?,
        reply: @escaping @Sendable ([RecordVerdict]) -> Void
    ) {
        do {
            try link(to: peer).submit(batch, relay: relay, reply: reply)
        } catch {
            metrics.failed(.stopped)
            let pause = settings.queue.pauseMax
            reply(Array(repeating: .later(after: pause, reason: .unavailable), count: batch.records.count))
        }
    }

    package func control(
        _ request: ControlRequest, at peer: PeerAddress, through writer: any ControlResponseWriter
    ) async throws {
        try await link(to: peer).control(request, through: writer)
    }

    package func ask(_ question: PeerQuestion, at peer: PeerAddress, within limit: Duration) async throws -> PeerAnswer
    {
        try await link(to: peer).ask(question, within: limit)
    }

    /// Ends the connections to a node: it has left, or has another address now.
    package func forget(node: String) {
        let links = state.withLock { state in
            let links = state.links.values.filter { $0.peer.node == node }
            for link in links { state.links[link.peer] = nil }
            return links
        }
        for link in links { link.close() }
    }

    /// Keeps the connections until cancelled or shut down. Whoever submits stops before.
    package func run() async throws {
        await withDiscardingTaskGroup { group in
            group.addTask {
                try? await gracefulShutdown()
                self.stop()
            }
            group.addTask { await self.sweep() }
            for await link in opened {
                group.addTask {
                    await link.run()
                    self.drop(link)
                }
            }
            stop()
            group.cancelAll()
        }
    }

    private func link(to peer: PeerAddress) throws -> PeerLink {
        try state.withLock { state in
            if let link = state.links[peer] { return link }
            guard !state.isStopped else { throw TidegateError(.unavailable, "this node stops") }
            if state.links.count >= settings.peersMax { try makeRoom(&state) }
            let link = try PeerLink(
                to: peer, from: greeting, security: security, settings: settings, metrics: metrics,
                connections: connections, threads: threads, logger: logger)
            state.links[peer] = link
            open.yield(link)
            return link
        }
    }

    private func makeRoom(_ state: inout State) throws {
        let idle = state.links.values.compactMap { link in link.idleTime.map { (link, $0) } }
        guard let oldest = idle.max(by: { $0.1 < $1.1 })?.0 else {
            throw TidegateError(.unavailable, "this node talks to \(settings.peersMax) others already")
        }
        state.links[oldest.peer] = nil
        oldest.close()
    }

    /// Forgets peers that nobody talks to.
    private func sweep() async {
        while (try? await Task.sleep(for: settings.idleMax / 4)) != nil {
            let links = state.withLock { state in
                let links = state.links.values.filter { ($0.idleTime ?? .zero) >= settings.idleMax }
                for link in links { state.links[link.peer] = nil }
                return links
            }
            for link in links { link.close() }
        }
    }

    private func drop(_ link: PeerLink) {
        state.withLock { state in
            if state.links[link.peer] === link { state.links[link.peer] = nil }
        }
    }

    private func stop() {
        let links = state.withLock { state in
            state.isStopped = true
            defer { state.links = [:] }
            return Array(state.links.values)
        }
        for link in links { link.close() }
        open.finish()
    }
}
