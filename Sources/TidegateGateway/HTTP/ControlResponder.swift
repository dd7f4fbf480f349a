internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import TidegateCore

/// Collects a request that is not for the data plane and gives it to the control plane, which answers from a task.
final class ControlResponder: RequestResponder {
    private let connection: ClientConnection
    private let head: HTTPRequestHead
    private var body: [UInt8] = []
    private var task: Task<Void, Never>?
    private var isOver = false
    private var started = false
    private var roomWaiter: CheckedContinuation<Void, any Error>?

    init(_ head: HTTPRequestHead, _ framing: RequestFraming, _ connection: ClientConnection) {
        self.head = head
        self.connection = connection
        body.reserveCapacity(min(framing.length ?? 0, 1 << 16))
    }

    func requestBody(_ bytes: ByteBuffer) { body.append(contentsOf: bytes.readableBytesView) }
    func requestBurstEnded() {}

    func requestEnded() {
        let request = ControlRequest(
            method: head.method.rawValue, target: head.uri,
            headers: head.headers.map { (name: $0.name, value: $0.value) },
            body: body)
        body = []
        let control = connection.loop.services.control
        let writer = ControlWriter(responder: NIOLoopBound(self, eventLoop: connection.eventLoop))
        connection.loop.metrics.request(.control)
        task = Task {
            await control.respond(to: request, through: writer)
            await writer.settle()
        }
    }

    func clientWritabilityChanged(_ writable: Bool) {
        guard writable, let waiter = roomWaiter else { return }
        roomWaiter = nil
        waiter.resume()
    }

    func clientLeft() {
        isOver = true
        roomWaiter?.resume(throwing: ControlWriter.clientLeft)
        roomWaiter = nil
        task?.cancel()
    }
}

// MARK: On the loop, for the writer.
extension ControlResponder {
    func head(status: Int, headers: [(name: String, value: String)]) throws {
        guard !isOver, !started else { throw ControlWriter.clientLeft }
        started = true
        var fields = HTTPHeaders()
        fields.reserveCapacity(headers.count + 2)
        var hasLength = false
        for (name, value) in headers where !name.isField("transfer-encoding") && !name.isField("connection") {
            hasLength = hasLength || name.isField("content-length")
            fields.add(name: name, value: value)
        }
        connection.startAnswer(HTTPResponseStatus(statusCode: status), fields, hasLength: hasLength)
    }

    func part(_ bytes: [UInt8], _ waiter: CheckedContinuation<Void, any Error>) {
        guard !isOver, started else { return waiter.resume(throwing: ControlWriter.clientLeft) }
        connection.write(connection.loop.allocator.buffer(bytes: bytes))
        connection.flush()
        if connection.isWritable { waiter.resume() } else { roomWaiter = waiter }
    }

    func end() throws {
        guard !isOver, started else { throw ControlWriter.clientLeft }
        isOver = true
        connection.endAnswer()
        connection.flush()
    }

    /// The control plane is done: what it left open is closed in a way that the client can tell.
    func settle() {
        guard !isOver else { return }
        isOver = true
        if started {
            connection.flushAndCut()
        } else {
            let body = connection.loop.allocator.buffer(bytes: HTTPRefusal.control(.internalServerError))
            connection.answer(
                .internalServerError, ["content-type": GatewayFailure.contentType], body: body)
        }
    }
}

/// The way from a task to a connection's loop.
struct ControlWriter: ControlResponseWriter {
    static let clientLeft = TidegateError(.gone, "The client has left, or its answer has ended.")
    let responder: NIOLoopBound<ControlResponder>

    func head(status: Int, headers: [(name: String, value: String)]) async throws {
        try await onLoop { responder, waiter in
            waiter.resume(with: Result { try responder.head(status: status, headers: headers) })
        }
    }

    func part(_ bytes: [UInt8]) async throws { try await onLoop { $0.part(bytes, $1) } }

    func end() async throws {
        try await onLoop { responder, waiter in waiter.resume(with: Result { try responder.end() }) }
    }

    func settle() async {
        try? await onLoop { responder, waiter in
            responder.settle()
            waiter.resume()
        }
    }

    private func onLoop(
        _ body: @escaping @Sendable (ControlResponder, CheckedContinuation<Void, any Error>) -> Void
    ) async throws {
        try await withCheckedThrowingContinuation { (waiter: CheckedContinuation<Void, any Error>) in
            responder.eventLoop.execute { body(responder.value, waiter) }
        }
    }
}
