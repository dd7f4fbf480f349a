internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Synchronization
internal import TidegateCore

/// A call that another node answers, part by part as its caller takes them.
struct ForwardedCall: Sendable {
    let owners: any GatewayOwners
    let request: ControlRequest

    /// Returns once the peer's answer begins.
    func response(from peer: PeerAddress) async throws -> Response {
        let relay = AnswerRelay()
        // Outlives this call: the body is taken later, or never, which ends it as well.
        let work = Task {
            do {
                try await owners.forward(request, to: peer, through: relay)
                await relay.finish(nil)
            } catch {
                await relay.finish(error)
            }
        }
        let head: (status: Int, headers: [(name: String, value: String)])
        do {
            head = try await withTaskCancellationHandler {
                try await relay.awaitHead()
            } onCancel: {
                work.cancel()
            }
        } catch {
            work.cancel()
            throw (error as? TidegateError)
                ?? TidegateError(.unavailable, "The node that owns the gateway's slot does not answer.", cause: error)
        }
        var fields = HTTPFields()
        for (name, value) in head.headers {
            if let name = HTTPField.Name(name) { fields.append(HTTPField(name: name, value: value)) }
        }
        return Response(
            status: HTTPResponse.Status(code: head.status), headers: fields,
            body: ResponseBody { writer in
                // Ends the peer's answer too when the client leaves.
                defer { work.cancel() }
                while let part = try await relay.next() { try await writer.write(ByteBuffer(bytes: part)) }
                try await writer.finish(nil)
            })
    }
}

/// Hands an answer's parts from who writes them to who reads them, one at a time: a slow reader holds the writer back.
private actor AnswerRelay: ControlResponseWriter {
    private var head: (status: Int, headers: [(name: String, value: String)])?
    private var part: [UInt8]?
    private var outcome: Result<Void, any Error>?
    private var waiters: [CheckedContinuation<Void, Never>] = []

    func head(status: Int, headers: [(name: String, value: String)]) async throws {
        head = (status, headers)
        wake()
    }

    func part(_ bytes: [UInt8]) async throws {
        try await wait { $0.part == nil }
        part = bytes
        wake()
    }

    func end() async throws { finish(nil) }

    func finish(_ error: (any Error)?) {
        if outcome == nil { outcome = error.map { .failure($0) } ?? .success(()) }
        wake()
    }

    func awaitHead() async throws -> (status: Int, headers: [(name: String, value: String)]) {
        try await wait { $0.head != nil || $0.outcome != nil }
        if let head { return head }
        try outcome?.get()
        throw TidegateError(.unavailable, "The node that owns the gateway's slot said nothing.")
    }

    func next() async throws -> [UInt8]? {
        try await wait { $0.part != nil || $0.outcome != nil }
        if let part {
            self.part = nil
            wake()
            return part
        }
        try outcome?.get()
        return nil
    }

    /// Whoever waits is woken at every change and looks again; a cancelled task is not kept.
    private func wait(until isReady: (isolated AnswerRelay) -> Bool) async throws {
        while !isReady(self) {
            try Task.checkCancellation()
            await withTaskCancellationHandler {
                await withCheckedContinuation { waiters.append($0) }
            } onCancel: {
                Task { await self.wake() }
            }
        }
    }

    private func wake() {
        let all = waiters
        waiters = []
        for waiter in all { waiter.resume() }
    }
}
