import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

@testable import TidegateGateway

/// What became of one exchange.
struct Outcome: Sendable {
    var status: UInt?
    var headers = HTTPHeaders()
    var body = ByteBuffer()
    var trailers: HTTPHeaders?
    var failure: UpstreamFailure?
    /// Calls after the end, or a second end: must stay 0.
    var callsTooMany = 0
    var text: String { String(buffer: body) }
    /// The answer's body, or the label of the failure in brackets.
    var summary: String { failure.map { "[\($0.label)]" } ?? text }
}

/// Writes down what an exchange reports, and checks the order in which it does.
final class Recorder: UpstreamDelegate {
    let ended: EventLoopPromise<Outcome>
    private(set) var outcome = Outcome()
    private(set) var bytes = 0
    private(set) var isEnded = false
    var keepsBody = true
    var whenHead: (UpstreamExchange) -> Void = { _ in }
    var whenWritable: (UpstreamExchange, Bool) -> Void = { _, _ in }

    init(_ loop: any EventLoop) { ended = loop.makePromise() }

    func upstreamWritabilityChanged(_ exchange: UpstreamExchange, isWritable: Bool) {
        whenWritable(exchange, isWritable)
    }
    func upstreamReceived(_ exchange: UpstreamExchange, head: HTTPResponseHead) {
        if isEnded || outcome.status != nil { outcome.callsTooMany += 1 }
        outcome.status = head.status.code
        outcome.headers = head.headers
        whenHead(exchange)
    }
    func upstreamReceived(_ exchange: UpstreamExchange, part: ByteBuffer) {
        if isEnded || outcome.status == nil { outcome.callsTooMany += 1 }
        bytes += part.readableBytes
        var part = part
        if keepsBody { outcome.body.writeBuffer(&part) }
    }
    func upstreamReadComplete(_ exchange: UpstreamExchange) { if isEnded { outcome.callsTooMany += 1 } }
    func upstreamEnded(_ exchange: UpstreamExchange, trailers: HTTPHeaders?) {
        outcome.trailers = trailers
        end()
    }
    func upstreamFailed(_ exchange: UpstreamExchange, _ failure: UpstreamFailure) {
        outcome.failure = failure
        end()
    }

    private func end() {
        if isEnded { outcome.callsTooMany += 1 }
        isEnded = true
        ended.succeed(outcome)
    }
}

/// An event loop with a pool on it. Everything runs on its one thread.
struct UpstreamStage: Sendable {
    let group: MultiThreadedEventLoopGroup
    let loop: any EventLoop
    private let bound: NIOLoopBound<UpstreamPool>
    /// Only on the event loop.
    var pool: UpstreamPool { bound.value }
    var counts: UpstreamCounts { get async throws { try await loop.submit { pool.counts }.get() } }

    static func run(
        settings: UpstreamSettings = UpstreamSettings(), tls: NIOSSLContext? = nil,
        _ body: (UpstreamStage) async throws -> Void
    ) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        let bound = try await loop.submit {
            NIOLoopBound(UpstreamPool(eventLoop: loop, settings: settings, tlsContext: tls), eventLoop: loop)
        }.get()
        let stage = UpstreamStage(group: group, loop: loop, bound: bound)
        do { try await body(stage) } catch {
            try await group.shutdownGracefully()
            throw error
        }
        try await loop.flatSubmit { stage.pool.close() }.get()
        try await group.shutdownGracefully()
    }

    func origin(_ server: RawServer, isTLS: Bool = false, host: String = "127.0.0.1") -> Origin {
        Origin(isTLS: isTLS, host: host, port: server.port)
    }

    /// One exchange from start to end.
    func exchange(
        _ origin: Origin, method: HTTPMethod = .GET, uri: String = "/", body: String? = nil,
        framing: UpstreamBody? = nil
    ) async throws -> Outcome {
        try await begin(origin, method: method, uri: uri, body: body, framing: framing).get()
    }

    /// Starts one exchange and sends its whole request.
    func begin(
        _ origin: Origin, method: HTTPMethod = .GET, uri: String = "/", body: String? = nil,
        framing: UpstreamBody? = nil
    ) -> EventLoopFuture<Outcome> {
        loop.flatSubmit {
            let recorder = Recorder(loop)
            let head = HTTPRequestHead(version: .http1_1, method: method, uri: uri)
            let framing = framing ?? body.map { .length($0.utf8.count) } ?? .none
            let exchange = pool.start(head, to: origin, body: framing, delegate: recorder)
            if let body { exchange.write(ByteBuffer(string: body)) }
            exchange.finishRequest()
            return recorder.ended.futureResult
        }
    }
}
