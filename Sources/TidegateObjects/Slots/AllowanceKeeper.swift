internal import TidegateCore

/// What a request for rows brought.
struct AllowanceAnswer: Sendable {
    /// As read back or just written.
    var allowance: Int64
    /// 0: the cap is truly reached.
    var granted: Int64
    var registration: GatewayRegistration
}

/// Moves rows between an account's free part and one gateway's allowance, in transactions that the owner's fence guards
/// (protocol §9, A15, A29).
struct AllowanceKeeper: Sendable {
    let store: any CoordinationStore
    let keys: CoordinationKeys
    let settings: AllowanceCore.Settings
    private static let attemptsMax = 16

    init(store: any CoordinationStore, keys: CoordinationKeys, settings: AllowanceCore.Settings) {
        self.store = store
        self.keys = keys
        self.settings = settings
    }

    /// - Parameters:
    ///   - known: the allowance that the owner counts with. A higher one in the store is an earlier request whose answer
    ///     was lost: it is taken over instead of asking for more.
    ///   - reclaim: asks other holders of the account for what they do not use.
    /// - Throws: `.notOwner` when the fence is gone, `.gone` when the gateway is.
    func request(
        _ uid: GatewayUID, of registration: GatewayRegistration, slot: SlotID, fence: Revision, known: Int64,
        rate: Int64, reclaim: @Sendable (String) async -> Void
    ) async throws(TidegateError) -> AllowanceAnswer {
        var hasReclaimed = false
        for _ in 0..<Self.attemptsMax {
            let picture = try await read(uid, registration, slot: slot, fence: fence)
            if picture.allowance > known {
                // A return of ours whose outcome nobody knew may still be on its way, and would take back what we count
                // with from here on. Writing the same again makes it compare false.
                guard try await write(picture, change: 0, uid, registration, slot: slot, fence: fence) else { continue }
                return AllowanceAnswer(
                    allowance: picture.allowance, granted: picture.allowance - known,
                    registration: picture.registration)
            }
            let free = picture.account.entitlements.rowsPerAccount.map { max(0, $0 - picture.account.allocated) }
            let rows = AllowanceCore.grant(
                accountFree: free, gatewayFree: picture.registration.cap.map { max(0, $0 - picture.allowance) },
                active: picture.account.gatewayCount, rate: rate, settings: settings)
            if rows == 0 {
                if free == 0, !hasReclaimed {
                    hasReclaimed = true
                    await reclaim(registration.account)
                    continue
                }
                return AllowanceAnswer(
                    allowance: picture.allowance, granted: 0, registration: picture.registration)
            }
            if try await write(picture, change: rows, uid, registration, slot: slot, fence: fence) {
                return AllowanceAnswer(
                    allowance: picture.allowance + rows, granted: rows, registration: picture.registration)
            }
        }
        throw TidegateError(.unavailable, "The account's document changes too fast to be granted rows.")
    }

    /// Gives `rows` back. The owner counts without them already.
    func giveBack(
        _ rows: Int64, _ uid: GatewayUID, of registration: GatewayRegistration, slot: SlotID, fence: Revision,
        keeping allowance: Int64
    ) async throws(TidegateError) {
        for _ in 0..<Self.attemptsMax {
            let picture = try await read(uid, registration, slot: slot, fence: fence)
            let surplus = picture.allowance - allowance  // also after an outcome that nobody knew
            guard surplus > 0 else { return }
            if try await write(picture, change: -surplus, uid, registration, slot: slot, fence: fence) { return }
        }
    }

    private struct Picture {
        var account: AccountDocument
        var accountRevision: Revision
        var allowance: Int64
        var quotaRevision: Revision
        var registration: GatewayRegistration
    }

    private func read(
        _ uid: GatewayUID, _ registration: GatewayRegistration, slot: SlotID, fence: Revision
    ) async throws(TidegateError) -> Picture {
        let outcome = try await store.commit(
            CoordinationTransaction(
                read: [
                    keys.owner(slot), keys.account(registration.account), keys.quota(registration.account, uid),
                    keys.gateway(registration.account, registration.name),
                ]))
        guard outcome.reads.count == 4, outcome.reads[0]?.modRevision == fence else {
            throw TidegateError(.notOwner, "The slot \(slot) has another owner.")
        }
        guard let account = outcome.reads[1],
            let current = try DocumentRegistry.registration(
                uid, account: registration.account, name: registration.name, document: account,
                gateway: outcome.reads[3])
        else { throw TidegateError(.gone, "The gateway is gone.") }
        let quota: QuotaDocument? = try outcome.reads[2].map { entry throws(TidegateError) in
            try DocumentCoding.decode(from: entry)
        }
        return Picture(
            account: try DocumentCoding.decode(from: account), accountRevision: account.modRevision,
            allowance: quota?.allowance ?? 0, quotaRevision: outcome.reads[2]?.modRevision ?? 0,
            registration: current)
    }

    /// - Returns: whether it surely happened. Otherwise the next read tells.
    private func write(
        _ picture: Picture, change: Int64, _ uid: GatewayUID, _ registration: GatewayRegistration, slot: SlotID,
        fence: Revision
    ) async throws(TidegateError) -> Bool {
        var account = picture.account
        account.allocated = max(0, account.allocated + change)
        let quotaKey = keys.quota(registration.account, uid)
        let accountKey = keys.account(registration.account)
        let transaction = CoordinationTransaction(
            compare: [
                .modRevision(key: keys.owner(slot), equals: fence),
                .modRevision(key: accountKey, equals: picture.accountRevision),
                .modRevision(key: quotaKey, equals: picture.quotaRevision),
            ],
            then: [
                .put(key: accountKey, value: try DocumentCoding.encode(account)),
                .put(
                    key: quotaKey,
                    value: try DocumentCoding.encode(QuotaDocument(allowance: picture.allowance + change))),
            ])
        do throws(TidegateError) {
            return try await store.commit(transaction).succeeded
        } catch {
            guard error.code == .unknownOutcome else { throw error }
            return false
        }
    }
}
