/// What the management API asks of accounts. Every write is answered after the coordination store has it.
package protocol AccountService: Sendable {
    func accounts(after: String?, limit: Int) async throws(TidegateError) -> [AccountDocument]
    func account(_ id: String) async throws(TidegateError) -> AccountDocument?
    /// - Throws: `.conflict` when the id is taken.
    func createAccount(id: String, name: String, plan: Plan, overrides: EntitlementOverrides)
        async throws(TidegateError) -> AccountDocument
    /// - Parameter overrides: the caps that it names change, the others stay.
    func updateAccount(_ id: String, name: String?, plan: Plan?, overrides: EntitlementOverrides?)
        async throws(TidegateError) -> AccountDocument
    /// - Throws: `.conflict` while it has gateways.
    func deleteAccount(_ id: String) async throws(TidegateError)

    /// In order of their names; those being deleted are left out.
    func gateways(of account: String) async throws(TidegateError) -> [GatewayView]
    func gateway(_ name: String, of account: String) async throws(TidegateError) -> GatewayView?
    /// - Throws: `.conflict` when the name is taken, `.quotaExceeded` when the account may have no more.
    func createGateway(_ name: String, of account: String, settings: GatewaySettings)
        async throws(TidegateError) -> GatewayView
    /// - Parameter change: may run more than once: it is applied to the newest settings until nobody was faster.
    func updateGateway(
        _ name: String, of account: String, change: @Sendable (inout GatewaySettings) throws(TidegateError) -> Void
    ) async throws(TidegateError) -> GatewayView
    /// Returns when the gateway's rows are gone for every reader and its name is free.
    func deleteGateway(_ name: String, of account: String) async throws(TidegateError) -> GatewayView

    func tokens(of account: String) async throws(TidegateError) -> [TokenDocument]
    func createToken(_ token: TokenDocument, of account: String) async throws(TidegateError)
    /// - Throws: `.notFound`.
    func revokeToken(_ id: String, of account: String) async throws(TidegateError)

    func usage(of account: String) async throws(TidegateError) -> AccountUsage
}

package struct AccountUsage: Equatable, Sendable {
    package struct Gateway: Equatable, Sendable {
        package var name: String
        package var liveRows: Int64
        package var allowance: Int64
        package var cap: Int64?
        package init(name: String, liveRows: Int64, allowance: Int64, cap: Int64?) {
            self.name = name
            self.liveRows = liveRows
            self.allowance = allowance
            self.cap = cap
        }
    }

    package var plan: Plan
    package var entitlements: Entitlements
    package var gateways: [Gateway]
    package init(plan: Plan, entitlements: Entitlements, gateways: [Gateway]) {
        self.plan = plan
        self.entitlements = entitlements
        self.gateways = gateways
    }
}

/// What the management API asks of a gateway's log, answered by the owner of its slot.
package protocol LogService: Sendable {
    func analytics(of gateway: GatewayUID, _ query: AnalyticsQuery) async throws(TidegateError) -> AnalyticsAnswer
    func logs(of gateway: GatewayUID, _ query: LogQuery) async throws(TidegateError) -> LogPage
    /// With the first bytes of both bodies.
    func log(_ id: RecordID, of gateway: GatewayUID) async throws(TidegateError) -> (
        row: LogRow, position: LogPosition
    )?
    func body(_ part: BodyPart, of id: RecordID, gateway: GatewayUID) async throws(TidegateError) -> BodyAnswer
    /// Answered after the change is committed. A change to a row that is still on its way is kept and joins it (A18).
    func patch(_ id: RecordID, of gateway: GatewayUID, _ patch: LogPatch) async throws(TidegateError) -> PatchOutcome
    /// Deletes the first `limit` rows of the query's order that match its filters.
    /// - Returns: how many, and where in the log they are gone.
    func delete(from gateway: GatewayUID, matching query: LogQuery, limit: Int) async throws(TidegateError) -> (
        count: Int, position: LogPosition
    )
}

package enum BodyPart: String, Sendable, CaseIterable { case request, response }

/// Indirect, because Swift 6.3.1 miscompiles `async throws(TidegateError)` functions that return a multi-payload enum of
/// this size directly (jump to null on return).
package indirect enum PatchOutcome: Equatable, Sendable {
    case applied(LogPosition)
    /// The row is not known yet; the change waits for it.
    case waiting(LogPosition)
}

/// Indirect for the same reason.
package indirect enum BodyAnswer: Sendable {
    case kept(StoredBody, at: LogPosition)
    /// It lies in an object of its own.
    case object(BodyObject, at: LogPosition)
    /// There is no such row, or its body was not kept.
    case none
}

package struct StoredBody: Equatable, Sendable {
    package var bytes: [UInt8]
    package var contentType: String
    package init(bytes: [UInt8], contentType: String) {
        self.bytes = bytes
        self.contentType = contentType
    }
}

/// A long body, read part by part.
package struct BodyObject: Sendable {
    package var contentType: String
    /// `nil` where not all of it was kept: then it ends where a part is shorter than asked for.
    package var bytes: Int?
    /// What lies behind the object's end is left out.
    package var read: @Sendable (Range<Int>) async throws(TidegateError) -> [UInt8]

    package init(
        contentType: String, bytes: Int?, read: @escaping @Sendable (Range<Int>) async throws(TidegateError) -> [UInt8]
    ) {
        self.contentType = contentType
        self.bytes = bytes
        self.read = read
    }
}

/// The parts of `/status` and `/readyz` that other rooms know.
package protocol NodeStatusSource: Sendable {
    /// `nil` when the node takes traffic, else why it does not.
    func notReadyReason() async -> String?
    /// The JSON of `GET /status` (interfaces.md §3), encoded.
    func statusJSON() async -> [UInt8]
    /// Prometheus text.
    func metricsText() async -> String
}
