package import TidegateCore

/// Who a gateway's uid belongs to: what its owner must know of the account's documents.
package struct GatewayRegistration: Equatable, Sendable {
    package var account: String
    package var name: String
    /// Where it is at home; `nil` where nobody has said.
    package var region: String? = nil
    /// The gateway's own cap in rows; `nil` is none.
    package var cap: Int64?
    /// At the cap the oldest rows make room; otherwise new ones are refused.
    package var deletesOldest: Bool
    /// Segments that are made from now on know the words of their bodies.
    package var indexesBodies = false
    /// Days after which rows go; `nil` keeps them.
    package var retentionDays: Int?
    /// Its end is asked for and will come: nothing more is taken.
    package var isEnding: Bool
}

package protocol GatewayRegistry: Sendable {
    /// Linearizable: `nil` means that the gateway is gone for good, however old the question (A10).
    func lookup(_ uid: GatewayUID) async throws(TidegateError) -> GatewayRegistration?
}

/// The registry over the account documents.
package struct DocumentRegistry: GatewayRegistry {
    private let store: any CoordinationStore
    private let keys: CoordinationKeys

    package init(store: any CoordinationStore, keys: CoordinationKeys) {
        self.store = store
        self.keys = keys
    }

    package func lookup(_ uid: GatewayUID) async throws(TidegateError) -> GatewayRegistration? {
        guard let entry = try await store.get(keys.gatewayIndex(uid)) else { return nil }
        let index: GatewayIndexDocument = try DocumentCoding.decode(from: entry)
        let outcome = try await store.commit(
            CoordinationTransaction(
                read: [keys.account(index.account), keys.gateway(index.account, index.name)]))
        var registration = try Self.registration(
            uid, account: index.account, name: index.name, document: outcome.reads[0], gateway: outcome.reads[1])
        registration?.region = index.region
        return registration
    }

    /// - Returns: `nil` when the name is somebody else's by now.
    static func registration(
        _ uid: GatewayUID, account: String, name: String, document: KeyValue?, gateway: KeyValue?
    ) throws(TidegateError) -> GatewayRegistration? {
        guard let document, let gateway else { return nil }
        let accountDocument: AccountDocument = try DocumentCoding.decode(from: document)
        let gatewayDocument: GatewayDocument = try DocumentCoding.decode(from: gateway)
        guard gatewayDocument.uid == uid.description else { return nil }
        let caps = [
            accountDocument.entitlements.rowsPerGateway, gatewayDocument.settings.logManagement.map(Int64.init),
        ]
        return GatewayRegistration(
            account: account, name: name, cap: caps.compactMap { $0 }.min(),
            // The reference answers DELETE_OLDEST for a gateway that never said (reference/management-api.md §2).
            deletesOldest: gatewayDocument.settings.logManagementStrategy != .stopInserting,
            indexesBodies: gatewayDocument.settings.fullTextSearch,
            retentionDays: gatewayDocument.settings.logRetentionDays, isEnding: gatewayDocument.state == .deleting)
    }
}
