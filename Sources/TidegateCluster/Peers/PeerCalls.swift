internal import CoreMetrics
internal import GRPCCore
internal import GRPCNIOTransportHTTP2Posix
internal import Logging
internal import Synchronization
internal import TidegateCore
internal import TidegateWire
internal import X509

/// The calls that others make to this node, as gRPC hands them over.
struct PeerCalls: RegistrableRPCService {
    let node: String
    let isMutual: Bool
    let versions: WireVersions
    let service: any PeerService
    let settings: PeerSettings
    let metrics: PeerMetrics
    let logger: Logger
    let lines: OpenLines

    func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
        router.registerHandler(
            forMethod: PeerMethods.deliver, deserializer: WireCoding<Tidegate_Peer_DeliverRequest>(),
            serializer: WireCoding<Tidegate_Peer_DeliverAnswer>()
        ) { request, context in
            let caller = try caller(context)
            return StreamingServerResponse { writer in
                try await telling { try await deliver(request.messages, from: caller, context, to: writer) }
                return [:]
            }
        }
        router.registerHandler(
            forMethod: PeerMethods.control, deserializer: WireCoding<Tidegate_Peer_ControlRequest>(),
            serializer: WireCoding<Tidegate_Peer_ControlAnswer>()
        ) { request, context in
            let caller = try caller(context)
            let wire = try await single(request.messages)
            _ = try telling { try greet(wire.hello, caller) }
            return StreamingServerResponse { writer in
                try await telling { try await control(ControlRequest(wire), context, to: writer) }
                return [:]
            }
        }
        router.registerHandler(
            forMethod: PeerMethods.ask, deserializer: WireCoding<Tidegate_Peer_AskRequest>(),
            serializer: WireCoding<Tidegate_Peer_AskAnswer>()
        ) { request, context in
            let caller = try caller(context)
            let wire = try await single(request.messages)
            _ = try telling { try greet(wire.hello, caller) }
            let answer = await answer(wire, context)
            return StreamingServerResponse { writer in
                try await writer.write(answer)
                return [:]
            }
        }
    }

    /// - Returns: the node that the caller's certificate names; `nil` without certificates.
    private func caller(_ context: ServerContext) throws -> [String]? {
        guard isMutual else { return nil }
        let certificate = (context.transportSpecific as? HTTP2ServerTransport.Posix.Context)?.peerCertificate
        guard let nodes = certificate?.peerNodes, !nodes.isEmpty else {
            metrics.refused.increment()
            logger.warning(
                "A call between nodes came with a certificate that names no node",
                metadata: ["peer.address": "\(context.remotePeer)"])
            throw TidegateError(.forbidden, "the certificate names no node").rpcError
        }
        return nodes
    }

    @discardableResult
    private func greet(_ hello: Tidegate_Peer_Hello, _ caller: [String]?) throws -> PeerGreeting {
        do {
            let greeting = try PeerGreeting(hello)
            _ = try versions.common(with: greeting.versions)
            if let caller, !caller.contains(greeting.node) {
                throw TidegateError(.forbidden, "the certificate is not that of node \(greeting.node)")
            }
            return greeting
        } catch {
            metrics.refused.increment()
            logger.warning(
                "A call of another node was refused", metadata: ["peer.node": "\(hello.node)", "error": "\(error)"])
            throw error
        }
    }

    /// The transport knows its own errors only: others would arrive as unknown ones.
    private func telling<Value>(_ work: () throws -> Value) throws -> Value {
        do { return try work() } catch let error as TidegateError { throw error.rpcError }
    }
    private func telling<Value>(_ work: () async throws -> Value) async throws -> Value {
        do { return try await work() } catch let error as TidegateError { throw error.rpcError }
    }

    private func single<Message>(_ messages: RPCAsyncSequence<Message, any Error>) async throws -> Message {
        for try await message in messages { return message }
        throw TidegateError(.invalidRequest, "a call without a message").rpcError
    }
}

// MARK: - Deliver

extension PeerCalls {
    private func deliver(
        _ requests: RPCAsyncSequence<Tidegate_Peer_DeliverRequest, any Error>, from caller: [String]?,
        _ context: ServerContext, to writer: RPCWriter<Tidegate_Peer_DeliverAnswer>
    ) async throws {
        let line = DeliveryLine(settings: settings.credit, room: lines.room)
        let id = lines.add(line)
        defer { lines.remove(id) }
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                try await self.read(requests, from: caller, into: line)
                line.stop()
                return false
            }
            group.addTask {
                try await self.write(line, to: writer)
                return true
            }
            group.addTask {
                try? await context.cancellation.cancelled
                line.abandon()
                return false
            }
            defer { group.cancelAll() }
            while let isOver = try await group.next(), !isOver {}
        }
    }

    private func read(
        _ requests: RPCAsyncSequence<Tidegate_Peer_DeliverRequest, any Error>, from caller: [String]?,
        into line: DeliveryLine
    ) async throws {
        var isGreeted = false
        for try await request in requests {
            if !isGreeted {
                let greeting = try greet(request.hello, caller)
                logger.debug("A node delivers rows", metadata: ["peer.node": "\(greeting.node)"])
                isGreeted = true
                line.begin()
            }
            for wire in request.batches {
                let parcel = try PeerParcel(wire)
                guard let reply = try line.take(parcel) else { return }
                metrics.batchesReceived.increment()
                metrics.bytesReceived.increment(by: parcel.batch.bytes)
                service.submit(parcel.batch, relay: parcel.relay, reply: reply)
            }
        }
    }

    private func write(_ line: DeliveryLine, to writer: RPCWriter<Tidegate_Peer_DeliverAnswer>) async throws {
        var hello: Tidegate_Peer_Hello? = PeerGreeting(node: node, versions: versions).hello
        for await _ in line.news {
            while var answer = line.take() {
                if let first = hello.take() { answer.hello = first }
                try await writer.write(answer)
            }
        }
        if let last = line.take() { try await writer.write(last) }
    }
}

// MARK: - Control and questions

extension PeerCalls {
    private func control(
        _ request: ControlRequest, _ context: ServerContext, to writer: RPCWriter<Tidegate_Peer_ControlAnswer>
    ) async throws {
        let watch = StallWatch(limit: settings.stallMax)
        let answer = PeerControlWriter(writer, watch: watch, partBytes: settings.partBytes)
        try await watch.guarding {
            try await self.unlessCancelled(context) { await self.service.control(request, through: answer) }
        }
        guard answer.isWhole else { throw TidegateError(.internalError, "the answer broke off") }
    }

    private func answer(_ wire: Tidegate_Peer_AskRequest, _ context: ServerContext) async -> Tidegate_Peer_AskAnswer {
        do {
            let question = try PeerQuestion(wire)
            let answer = try await within(settings.answerMax) {
                try await self.unlessCancelled(context) { try await self.service.answer(question) }
            }
            return Tidegate_Peer_AskAnswer(answer)
        } catch let error as TidegateError {
            return Tidegate_Peer_AskAnswer(error)
        } catch is CancellationError {
            return Tidegate_Peer_AskAnswer(TidegateError(.unknownOutcome, "node \(node) gave up on the question"))
        } catch {
            logger.error("A question of another node failed", metadata: ["error": "\(error)"])
            return Tidegate_Peer_AskAnswer(TidegateError(.internalError, "node \(node) failed to answer"))
        }
    }

    /// The transport tells that the caller has gone, and leaves it to the work to end.
    private func unlessCancelled<Value: Sendable>(
        _ context: ServerContext, _ work: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask { try await work() }
            group.addTask {
                try await context.cancellation.cancelled
                throw CancellationError()
            }
            defer { group.cancelAll() }
            while let value = try await group.next() {
                if let value { return value }
            }
            throw CancellationError()
        }
    }

    private func within<Value: Sendable>(
        _ limit: Duration, _ work: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        try await withThrowingTaskGroup(of: Value.self) { group in
            group.addTask { try await work() }
            group.addTask {
                try await Task.sleep(for: limit)
                throw TidegateError(.deadlineExceeded, "node \(self.node) did not finish within \(limit)")
            }
            defer { group.cancelAll() }
            guard let value = try await group.next() else { throw CancellationError() }
            return value
        }
    }
}

/// Delivery calls that stand, so that a stopping node can end them.
final class OpenLines: Sendable {
    private let lines = Mutex<(next: UInt64, open: [UInt64: DeliveryLine], isStopping: Bool)>((0, [:], false))
    let room: GrowthRoom

    init(room: GrowthRoom) { self.room = room }

    func add(_ line: DeliveryLine) -> UInt64 {
        let (id, isStopping) = lines.withLock { lines in
            lines.next += 1
            lines.open[lines.next] = line
            return (lines.next, lines.isStopping)
        }
        if isStopping { line.stop() }
        return id
    }
    func remove(_ id: UInt64) { lines.withLock { _ = $0.open.removeValue(forKey: id) } }

    func stop() {
        let open = lines.withLock { lines in
            lines.isStopping = true
            return Array(lines.open.values)
        }
        for line in open { line.stop() }
    }
    func abandon() {
        for line in lines.withLock({ Array($0.open.values) }) { line.abandon() }
    }
}
