package import TidegateCore

/// What accounts ask of the owner of a gateway's log.
package protocol GatewayLogs: Sendable {
    /// Appends the gateway's deletion to its log; returns when it is applied. Again is harmless.
    func deleteAll(of gateway: GatewayUID) async throws(TidegateError)
    func liveRows(of gateway: GatewayUID) async throws(TidegateError) -> Int64
    /// Caps are read again at the next need.
    func settingsChanged(of gateway: GatewayUID)
    /// The slot that holds the gateway.
    func slot(of gateway: GatewayUID) async throws(TidegateError) -> SlotID
}
