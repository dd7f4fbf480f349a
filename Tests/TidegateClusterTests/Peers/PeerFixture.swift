import Foundation
import Logging
import NIOPosix
import ServiceLifecycle
import Synchronization
import TidegateCluster
import TidegateCore

/// A node's end of calls between nodes, told by a test what to do.
final class FakePeer: PeerService {
    typealias Reply = @Sendable ([RecordVerdict]) -> Void
    struct Arrival {
        var batch: DeliveryBatch
        var relay: PeerAddress?
        var reply: Reply
    }
    struct State {
        var arrivals: [Arrival] = []
        /// Whether batches are committed as they come, or kept for the test to answer.
        var commits = true
        var requests: [ControlRequest] = []
        var questions: [PeerQuestion] = []
    }
    let state = Mutex(State())
    let answering: @Sendable (PeerQuestion) async throws -> PeerAnswer
    let controlling: @Sendable (ControlRequest, any ControlResponseWriter) async throws -> Void

    init(
        answering: @escaping @Sendable (PeerQuestion) async throws -> PeerAnswer = { _ in .done },
        controlling: @escaping @Sendable (ControlRequest, any ControlResponseWriter) async throws -> Void = { _, _ in }
    ) {
        self.answering = answering
        self.controlling = controlling
    }

    func submit(_ batch: DeliveryBatch, relay: PeerAddress?, reply: @escaping Reply) {
        let commits = state.withLock { state in
            state.arrivals.append(Arrival(batch: batch, relay: relay, reply: reply))
            return state.commits
        }
        if commits { reply(Array(repeating: .committed, count: batch.records.count)) }
    }
    func control(_ request: ControlRequest, through writer: any ControlResponseWriter) async {
        state.withLock { $0.requests.append(request) }
        try? await controlling(request, writer)
    }
    func answer(_ question: PeerQuestion) async throws -> PeerAnswer {
        state.withLock { $0.questions.append(question) }
        return try await answering(question)
    }

    var arrived: [Arrival] { state.withLock { $0.arrivals } }
    func hold() { state.withLock { $0.commits = false } }
}

/// What became of the batches that a test handed over.
final class Outcomes: Sendable {
    private let verdicts = Mutex<[UInt64: [[RecordVerdict]]]>([:])

    func reply(_ number: UInt64) -> @Sendable ([RecordVerdict]) -> Void {
        { verdicts in self.verdicts.withLock { $0[number, default: []].append(verdicts) } }
    }
    /// Every answer that batch `number` got: there must be one.
    subscript(number: UInt64) -> [[RecordVerdict]] { verdicts.withLock { $0[number] ?? [] } }
    var count: Int { verdicts.withLock { $0.count } }
    var isDoubled: Bool { verdicts.withLock { $0.values.contains { $0.count > 1 } } }
    func all(_ accept: (RecordVerdict) -> Bool) -> Bool {
        verdicts.withLock { $0.values.allSatisfy { $0.allSatisfy { $0.allSatisfy(accept) } } }
    }
}

extension RecordVerdict {
    var isUnreachable: Bool { if case .later(_, .unreachable) = self { true } else { false } }
    var isUnavailable: Bool { if case .later(_, .unavailable) = self { true } else { false } }
}

extension DeliveryBatch {
    /// One of a row of batches; `number` is its first sequence.
    static func numbered(_ number: UInt64, records: Int = 1, bytes: Int = 100) -> DeliveryBatch {
        DeliveryBatch(
            stream: StreamID(bits: 5), gateway: GatewayUID(bits: 6), firstSequence: number,
            records: (0..<records).map { [UInt8](repeating: UInt8(truncatingIfNeeded: $0), count: bytes)[...] },
            resolvedBelow: number)
    }
}

/// A cluster's certificates for tests, valid today.
struct TestAuthority {
    let authority: ClusterAuthority
    init() throws { authority = try ClusterAuthority(making: "test", validity: Self.validity) }

    static let validity = Date(timeIntervalSinceNow: -3_600)..<Date(timeIntervalSinceNow: 86_400)

    func security(of node: String) throws -> PeerSecurity {
        let pair = try authority.issue(node: node, hosts: ["node.example"], validity: Self.validity)
        return .mutual(
            caPEM: Array(authority.pem.certificatePEM.utf8), certificatePEM: Array(pair.certificatePEM.utf8),
            keyPEM: Array(pair.keyPEM.utf8))
    }
}

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
let sockets = MultiThreadedEventLoopGroup.singleton

func makeClients(
    _ node: String = "n1", _ security: PeerSecurity = .plaintext, _ settings: PeerSettings = .quick
) throws -> PeerClients {
    try PeerClients(node: node, security: security, settings: settings, threads: sockets, logger: quiet)
}

extension PeerSettings {
    /// Short pauses: tests break things on purpose.
    static var quick: PeerSettings {
        var settings = PeerSettings()
        settings.queue.pauseMin = .milliseconds(10)
        settings.queue.pauseMax = .milliseconds(50)
        settings.stopGrace = .milliseconds(200)
        return settings
    }
    static func quick(_ change: (inout PeerSettings) -> Void) -> PeerSettings {
        var settings = quick
        change(&settings)
        return settings
    }
}

/// Serves `service` as node n2 on a free port of loopback, or on `port`, while `body` runs.
func serving<Value: Sendable>(
    _ service: any PeerService, node: String = "n2", port: Int = 0, _ security: PeerSecurity = .plaintext,
    _ settings: PeerSettings = .quick, _ body: @escaping @Sendable (PeerAddress) async throws -> Value
) async throws -> Value {
    let server = try PeerServer(
        node: node, host: "127.0.0.1", port: port, security: security, service: service, settings: settings,
        threads: sockets, logger: quiet)
    // Stopped as a node stops it: cancelling it in the middle of an accept ends the process (grpc-swift-nio-transport 2.9.2).
    let group = ServiceGroup(services: [server], logger: quiet)
    return try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask { try await group.run() }
        do {
            let port = try await server.listeningPort()
            let value = try await body(PeerAddress(node: node, host: "127.0.0.1", port: port))
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
            return value
        } catch {
            await group.triggerGracefulShutdown()
            try? await tasks.waitForAll()
            throw error
        }
    }
}

func running<Value: Sendable>(
    _ service: @escaping @Sendable () async throws -> Void, _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
            do { try await service() } catch is CancellationError {}
        }
        defer { group.cancelAll() }
        return try await body()
    }
}

/// A server and the way to it.
func talking<Value: Sendable>(
    to service: any PeerService, client: PeerSettings = .quick, server: PeerSettings = .quick,
    _ body: @escaping @Sendable (PeerClients, PeerAddress) async throws -> Value
) async throws -> Value {
    try await serving(service, server) { peer in
        let clients = try makeClients("n1", .plaintext, client)
        return try await running({ try await clients.run() }) { try await body(clients, peer) }
    }
}

func serving<Value: Sendable>(
    _ service: any PeerService, _ settings: PeerSettings,
    _ body: @escaping @Sendable (PeerAddress) async throws -> Value
) async throws -> Value {
    try await serving(service, node: "n2", port: 0, .plaintext, settings, body)
}
