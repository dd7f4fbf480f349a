internal import CoreMetrics
internal import GRPCCore
internal import Synchronization
internal import TidegateCore
internal import TidegateWire

extension PeerLink {
    /// - Throws: `TidegateError`; `.unavailable` only when nothing has been written to `writer`.
    func control(_ request: ControlRequest, through writer: any ControlResponseWriter) async throws {
        let progress = CallProgress()
        let watch = StallWatch(limit: settings.stallMax)
        try await calling(progress, isHarmless: request.isHarmless) {
            try await watch.guarding(isWaiting: true) {
                try await self.control(request.wire(from: self.greeting), progress, watch, through: writer)
            }
        }
    }

    private func control(
        _ request: Tidegate_Peer_ControlRequest, _ progress: CallProgress, _ watch: StallWatch,
        through writer: any ControlResponseWriter
    ) async throws {
        var options = CallOptions.defaults
        options.maxRequestMessageBytes = settings.messageBytesMax
        options.maxResponseMessageBytes = settings.messageBytesMax
        try await client.bidirectionalStreaming(
            request: StreamingClientRequest { stream in
                progress.isSent.set()
                try await stream.write(request)
            }, descriptor: PeerMethods.control, serializer: WireCoding<Tidegate_Peer_ControlRequest>(),
            deserializer: WireCoding<Tidegate_Peer_ControlAnswer>(), options: options
        ) { response in
            for try await wire in response.messages {
                watch.ourTurn()
                defer { watch.theirTurn() }
                switch ControlPiece(wire) {
                case .head(let status, let headers):
                    progress.isWritten.set()
                    try await writer.head(status: status, headers: headers)
                case .part(let bytes): try await writer.part(bytes)
                case .end: return try await writer.end()
                case nil: continue
                }
            }
            throw TidegateError(.unavailable, "the answer of node \(self.peer.node) broke off")
        }
    }

    func ask(_ question: PeerQuestion, within limit: Duration) async throws -> PeerAnswer {
        let progress = CallProgress()
        var options = CallOptions.defaults
        options.timeout = limit
        return try await calling(progress, isHarmless: question.isHarmless) { [options] in
            try await self.client.clientStreaming(
                request: StreamingClientRequest { stream in
                    progress.isSent.set()
                    try await stream.write(question.wire(from: self.greeting))
                }, descriptor: PeerMethods.ask, serializer: WireCoding<Tidegate_Peer_AskRequest>(),
                deserializer: WireCoding<Tidegate_Peer_AskAnswer>(), options: options
            ) { response in
                progress.isAnswered.set()
                return try response.message
            }
        }.peerAnswer()
    }

    /// Holds a place for the call, and turns what the transport says of it into our own words.
    private func calling<Value: Sendable>(
        _ progress: CallProgress, isHarmless: Bool, _ work: () async throws -> Value
    ) async throws -> Value {
        guard beginCall() else {
            throw TidegateError(.unavailable, "too many calls of node \(peer.node) are under way")
        }
        defer { endCall() }
        do {
            return try await work()
        } catch is CancellationError where Task.isCancelled {
            throw CancellationError()
        } catch {
            let failure = progress.failure(TidegateError(error, peer: peer), isHarmless: isHarmless)
            metrics.failed(failure.code)
            throw failure
        }
    }
}

/// How far a call got: what may be said of it when it fails.
private final class CallProgress: Sendable {
    /// The peer may have seen the request.
    let isSent = Flag()
    /// Something of the answer has been passed on.
    let isWritten = Flag()
    let isAnswered = Flag()

    func failure(_ error: TidegateError, isHarmless: Bool) -> TidegateError {
        switch error.code {
        case .unavailable, .deadlineExceeded:
            if isWritten.isSet {
                return TidegateError(.unknownOutcome, "\(error.message), in the middle of its answer", cause: error)
            }
            if isSent.isSet, !isHarmless {
                return TidegateError(
                    .unknownOutcome, "\(error.message); it may have done what it was asked", cause: error)
            }
            return TidegateError(.unavailable, error.message, cause: error)
        default: return error
        }
    }
}

extension PeerQuestion {
    /// Asking again changes nothing.
    fileprivate var isHarmless: Bool {
        switch self {
        case .liveRows, .probe: true
        case .endGateway, .giveBack: false
        }
    }
}

extension ControlRequest {
    fileprivate var isHarmless: Bool { method == "GET" || method == "HEAD" }
}
