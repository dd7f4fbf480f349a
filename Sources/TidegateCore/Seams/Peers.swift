/// Where another node can be asked, and who must answer there.
package struct PeerAddress: Hashable, Sendable, Codable {
    /// The node's id: with mutual TLS its certificate must name it.
    package var node: String
    package var host: String
    package var port: Int

    package init(node: String, host: String, port: Int) {
        self.node = node
        self.host = host
        self.port = port
    }
}

/// Questions of one node to another that are neither rows nor requests of clients. Indirect for the reason that
/// `PatchOutcome` gives.
package indirect enum PeerQuestion: Equatable, Sendable {
    /// Ends the gateway in its log; answered when that is applied.
    case endGateway(GatewayUID)
    /// Rows of a gateway that are not deleted.
    case liveRows(GatewayUID)
    /// Gateways of the account here return allowance that they do not use; answered when they have.
    case giveBack(account: String)
    /// Does the process answer at all?
    case probe
}

package indirect enum PeerAnswer: Equatable, Sendable {
    case done
    case rows(Int64)
}

/// The way from this node to others. Everything is tried once: whoever asked decides about another try. No call waits longer
/// than its deadline, whatever the network does.
package protocol PeerTransport: Sendable {
    /// Hands a batch to the node at `peer`, without waiting. Batches for one peer arrive in the order of the calls.
    /// - Parameters:
    ///   - relay: hand it to `peer` all the same, to be carried to this node: the direct way is cut.
    ///   - reply: called once, on any thread. Where the peer cannot be reached, or what became of the batch is unknown,
    ///     every verdict is `later(_, .unreachable)`.
    func submit(
        _ batch: DeliveryBatch, to peer: PeerAddress, relay: PeerAddress?,
        reply: @escaping @Sendable ([RecordVerdict]) -> Void)

    /// Has a client's request for management answered by `peer`, which does not forward it again.
    /// - Throws: `TidegateError` `.unavailable` when the peer cannot be reached and nothing has been written to `writer`.
    func control(_ request: ControlRequest, at peer: PeerAddress, through writer: any ControlResponseWriter)
        async throws

    /// - Throws: `TidegateError`: what the peer answered, `.unavailable` when it does not, `.unknownOutcome` when it may
    ///   have carried the question out.
    func ask(_ question: PeerQuestion, at peer: PeerAddress, within limit: Duration) async throws -> PeerAnswer
}

/// What a node does for its peers: the other end of `PeerTransport`.
package protocol PeerService: Sendable {
    /// A batch from another node's outbox. `moved` where this node does not own the slot; never forwarded again (A19).
    /// - Parameter relay: carry it to this node instead, once.
    func submit(_ batch: DeliveryBatch, relay: PeerAddress?, reply: @escaping @Sendable ([RecordVerdict]) -> Void)
    func control(_ request: ControlRequest, through writer: any ControlResponseWriter) async
    func answer(_ question: PeerQuestion) async throws -> PeerAnswer
}

/// Of a node that has none.
package struct NoPeers: PeerTransport {
    package init() {}

    package func submit(
        _ batch: DeliveryBatch, to peer: PeerAddress, relay: PeerAddress?,
        reply: @escaping @Sendable ([RecordVerdict]) -> Void
    ) {
        reply(Array(repeating: .later(after: .seconds(1), reason: .unreachable), count: batch.records.count))
    }

    package func control(
        _ request: ControlRequest, at peer: PeerAddress, through writer: any ControlResponseWriter
    ) async throws {
        throw Self.alone
    }

    package func ask(
        _ question: PeerQuestion, at peer: PeerAddress, within limit: Duration
    ) async throws -> PeerAnswer {
        throw Self.alone
    }

    private static var alone: TidegateError {
        TidegateError(.unavailable, "This node runs without others: its engines are its own.")
    }
}
