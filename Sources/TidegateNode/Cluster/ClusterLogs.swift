internal import TidegateCluster
internal import TidegateCore
internal import TidegateObjects

/// What accounts and the management API ask of a gateway's owner, wherever it is.
struct ClusterLogs: Sendable {
    let objects: Objects
    let homes: any GatewayHomes
    let ownership: OwnershipReplica
    let transport: any PeerTransport
    /// For questions that are answered from memory, and for those that are answered once something is committed.
    private static let shortLimit = Duration.seconds(5)
    private static let longLimit = Duration.seconds(30)

    /// Asks the slot's owner. Errors are those of the owner, or `.unavailable` while there is none.
    private func ask(_ question: PeerQuestion, of gateway: GatewayUID, within limit: Duration) async throws
        -> PeerAnswer
    {
        let slot = try await objects.slot(of: gateway)
        switch ownership.route(to: slot) {
        case .here: return try await PeerDesk.answer(question, objects)
        case .peer(let peer): return try await transport.ask(question, at: peer, within: limit)
        case .nobody: throw TidegateError(.unavailable, "The slot \(slot) has no owner at present: try again.")
        }
    }

    /// Swift 6.3.1 wants the untyped errors of the way between nodes typed at its end.
    private func typed<Value>(_ body: () async throws -> Value) async throws(TidegateError) -> Value {
        do { return try await body() } catch let error as TidegateError { throw error } catch {
            throw TidegateError(.internalError, "A question to a gateway's owner broke.", cause: error)
        }
    }
}

extension ClusterLogs: GatewayLogs {
    func deleteAll(of gateway: GatewayUID) async throws(TidegateError) {
        _ = try await typed { try await ask(.endGateway(gateway), of: gateway, within: Self.longLimit) }
    }

    func liveRows(of gateway: GatewayUID) async throws(TidegateError) -> Int64 {
        let answer = try await typed { try await ask(.liveRows(gateway), of: gateway, within: Self.shortLimit) }
        guard case .rows(let rows) = answer else {
            throw TidegateError(.internalError, "The gateway's owner answered another question.")
        }
        return rows
    }

    /// Owners elsewhere learn of it as this node's objects do: from their own watch.
    func settingsChanged(of gateway: GatewayUID) { objects.settingsChanged(of: gateway) }

    func slot(of gateway: GatewayUID) async throws(TidegateError) -> SlotID { try await objects.slot(of: gateway) }
}

/// Who answers for the log of a gateway that a caller names.
struct ClusterOwners: GatewayOwners {
    let directory: any GatewayDirectory
    let homes: any GatewayHomes
    let ownership: OwnershipReplica
    let transport: any PeerTransport
    let coordination: any CoordinationStore
    let keys: CoordinationKeys
    let incarnation: IncarnationID
    let lease: IncarnationLease

    func vouches(for position: LogPosition, strongly: Bool) async throws(TidegateError) -> Bool {
        guard strongly else { return lease.isValid }
        guard let entry = try await coordination.get(keys.owner(position.slot)) else { return false }
        let owner: SlotOwner = try DocumentCoding.decode(from: entry)
        return owner.epoch == position.epoch && owner.inc == incarnation.description
    }

    func owner(of gateway: String, account: String) async throws(TidegateError) -> PeerAddress? {
        var view = directory.cachedGateway(account: account, name: gateway)
        if view == nil { view = try await directory.resolveGateway(account: account, name: gateway) }
        guard let uid = view?.uid else { return nil }
        var slot = homes.cachedSlot(of: uid)
        if slot == nil { slot = try await homes.slot(of: uid) }
        guard let slot, case .peer(let peer) = ownership.route(to: slot) else { return nil }
        return peer
    }

    func forward(
        _ request: ControlRequest, to peer: PeerAddress, through writer: any ControlResponseWriter
    ) async throws {
        try await transport.control(request, at: peer, through: writer)
    }
}
