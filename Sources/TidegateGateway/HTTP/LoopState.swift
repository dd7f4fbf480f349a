internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import TidegateCore

/// What one event loop holds: its connections and its share of the node's limits. Never leaves the loop.
final class LoopState {
    let eventLoop: any EventLoop
    let services: DataPlaneServices
    let times: ConnectionTimes.Limits
    let allocator = ByteBufferAllocator()
    let captureBudget: CaptureBudget
    let upstreams: UpstreamPool
    var random = LoopRandom()
    private(set) var isDraining = false
    private var connections: [ObjectIdentifier: ClientConnection] = [:]
    private var ticker: RepeatedTask?
    private(set) var providers: ProviderTable
    private(set) var prices: PriceTable
    private var knownPrices: [String: [String: ModelPrice?]] = [:]
    private static let pricesMax = 1_024
    private var drained: EventLoopPromise<Void>?
    /// Provider and reason, from closed sets, to when it was last told.
    private var warned: [String: NIODeadline] = [:]
    private static let warningPause = TimeAmount.seconds(30)
    /// Calls that are not over, also those whose client has left.
    private var calls = 0

    var settings: DataPlaneSettings { services.settings }
    var bodyBounds: CapturedBody.Bounds {
        .init(inlineBytes: settings.bodyInlineBytesMax, bytes: settings.bodyCaptureBytesMax)
    }
    var metrics: DataPlaneMetrics { services.metrics }
    var isTLS: Bool { services.settings.tls != nil }
    var isEmpty: Bool { connections.isEmpty }

    init(eventLoop: any EventLoop, services: DataPlaneServices, loops: Int, upstreams: UpstreamPool) {
        self.eventLoop = eventLoop
        self.services = services
        self.upstreams = upstreams
        (providers, prices) = (services.providers, services.prices)
        times = ConnectionTimes.Limits(services.settings)
        captureBudget = CaptureBudget(bytes: services.settings.captureBytesInFlightMax / max(1, loops))
    }

    func start() {
        let tick = TimeAmount(settings.tick)
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        ticker = eventLoop.scheduleRepeatedTask(initialDelay: tick, delay: tick) { _ in bound.value.check() }
    }

    func add(_ connection: ClientConnection) {
        connections[ObjectIdentifier(connection)] = connection
        services.gate.opened()
    }

    func remove(_ connection: ClientConnection) {
        guard connections.removeValue(forKey: ObjectIdentifier(connection)) != nil else { return }
        services.gate.closed()
        finishDraining()
    }

    func callBegan() { calls += 1 }

    func callEnded() {
        calls -= 1
        finishDraining()
    }

    /// - Returns: fulfilled when no connection and no call is left.
    func drain(until deadline: NIODeadline) -> EventLoopFuture<Void> {
        if let drained { return drained.futureResult }
        let promise = eventLoop.makePromise(of: Void.self)
        drained = promise
        isDraining = true
        for connection in connections.values { connection.drain() }
        let cut = eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [self] in
            for connection in connections.values { connection.close() }
            calls = 0
            finishDraining()
        }
        finishDraining()
        return promise.futureResult.always { _ in cut.cancel() }
    }

    private func finishDraining() {
        guard let drained, connections.isEmpty, calls <= 0 else { return }
        ticker?.cancel()
        ticker = nil
        upstreams.close()
        drained.succeed(())
    }

    /// - Parameter target: `nil` for what is not the data plane's.
    func route(
        _ head: HTTPRequestHead, _ target: RequestTarget?, _ framing: RequestFraming, _ connection: ClientConnection
    ) -> any RequestResponder {
        guard let target else {
            return ControlResponder(head, framing, connection)
        }
        return ProxyRequest.begin(head, target, framing, connection)
    }

    /// The price of a model, remembered: looking one up compares names.
    func price(provider: String, model: String) -> ModelPrice? {
        if let known = knownPrices[provider]?[model] { return known }
        if knownPrices[provider, default: [:]].count >= Self.pricesMax { knownPrices[provider] = [:] }
        let price = prices.price(provider: provider, model: model)
        knownPrices[provider, default: [:]][model] = .some(price)
        return price
    }

    /// Says why a provider could not be used, once in a while for each reason: a provider that is down fails every call.
    func warn(of failure: UpstreamFailure, provider: String) {
        let now = NIODeadline.now()
        let key = provider + " " + failure.label
        guard warned[key].map({ now - $0 >= Self.warningPause }) ?? true else { return }
        warned[key] = now
        services.logger.warning(
            "A provider could not be used", metadata: ["upstream.name": "\(provider)", "reason": "\(failure)"])
    }

    /// For calls that begin from now on.
    func reload(providers: ProviderTable, prices: PriceTable) {
        self.providers = providers
        self.prices = prices
        knownPrices = [:]
    }

    private func check() {
        let now = NIODeadline.now()
        for connection in connections.values { connection.check(now) }
        services.gate.report()
    }
}

/// Random numbers for ids: fast, seeded from the system, not for secrets.
struct LoopRandom: RandomNumberGenerator {
    private var state: UInt64

    init() {
        var system = SystemRandomNumberGenerator()
        state = system.next()
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

/// A loop's share of the bytes that calls under way may keep for their rows.
final class CaptureBudget {
    private var free: Int

    init(bytes: Int) { free = bytes }

    /// - Returns: how many of `bytes` may be kept.
    func take(_ bytes: Int) -> Int {
        let granted = min(bytes, free)
        free -= granted
        return granted
    }

    func giveBack(_ bytes: Int) { free += bytes }
}
