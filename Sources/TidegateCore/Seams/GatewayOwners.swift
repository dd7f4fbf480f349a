/// Who answers for a gateway's log, as the management API asks it.
package protocol GatewayOwners: Sendable {
    /// - Returns: the node to ask; `nil` when this one should answer, if only to say that nobody can at present.
    func owner(of gateway: String, account: String) async throws(TidegateError) -> PeerAddress?
    func forward(_ request: ControlRequest, to peer: PeerAddress, through writer: any ControlResponseWriter)
        async throws

    /// Whether an answer that was computed here at `position` was the newest then, or may be shown as such (A14).
    /// - Parameter strongly: the slot's record is asked, linearizably. Otherwise this node's lease has to do, which a process
    ///   that was stopped at the wrong moment can believe in too long.
    func vouches(for position: LogPosition, strongly: Bool) async throws(TidegateError) -> Bool
}

/// Of a node that is alone.
package struct EveryGatewayHere: GatewayOwners {
    package init() {}
    package func owner(of gateway: String, account: String) async throws(TidegateError) -> PeerAddress? { nil }
    package func forward(
        _ request: ControlRequest, to peer: PeerAddress, through writer: any ControlResponseWriter
    ) async throws {
        throw TidegateError(.internalError, "There is nobody to forward to.")
    }
    package func vouches(for position: LogPosition, strongly: Bool) async throws(TidegateError) -> Bool { true }
}
