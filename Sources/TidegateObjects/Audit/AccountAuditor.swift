internal import TidegateCore

/// Audits the accounts: their counts and allowances, and that what is gone is gone.
struct AccountAuditor: Sendable {
    let coordination: any CoordinationStore
    let store: any ObjectStore
    let keys: CoordinationKeys
    let ledger: AuditLedger

    /// - Parameter live: rows of every gateway, from the slots.
    func run(
        _ live: [GatewayUID: Int64], _ progress: @Sendable (String) -> Void
    ) async throws(TidegateError) {
        for entry in try await coordination.all(keys.accounts) where entry.key.hasSuffix("/doc") {
            let account = String(entry.key.dropFirst(keys.accounts.count).dropLast(4))
            progress("account \(account)")
            try await audit(account, live)
        }
        try await auditGone()
    }

    private func audit(_ account: String, _ live: [GatewayUID: Int64]) async throws(TidegateError) {
        guard let entry = try await coordination.get(keys.account(account)) else { return }  // deleted meanwhile
        let document: AccountDocument = try DocumentCoding.decode(from: entry)
        let gateways = try await coordination.all(keys.gateways(of: account))
        await ledger.check(
            "I11", gateways.count == document.gatewayCount,
            "\(account): \(gateways.count) gateways, the account counts \(document.gatewayCount)")
        if let cap = document.entitlements.gateways {
            if gateways.count > cap {
                await ledger.note("\(account): \(gateways.count) gateways, its cap was lowered to \(cap)")
            }
        }
        var allowances: Int64 = 0
        for gateway in gateways {
            let gatewayDocument: GatewayDocument = try DocumentCoding.decode(from: gateway)
            guard let uid = GatewayUID(hex: gatewayDocument.uid) else {
                await ledger.check("I11", false, "\(gateway.key) has no readable uid")
                continue
            }
            let quota: QuotaDocument? = try await coordination.get(keys.quota(account, uid)).map {
                entry throws(TidegateError) in try DocumentCoding.decode(from: entry)
            }
            let allowance = quota?.allowance ?? 0
            allowances += allowance
            let rows = live[uid] ?? 0
            await ledger.check("I10", rows <= allowance, "\(gateway.key): \(rows) rows, allowed are \(allowance)")
        }
        await ledger.check(
            "I10", allowances == document.allocated,
            "\(account): allowances of \(allowances), the account has given \(document.allocated)")
        if let cap = document.entitlements.rowsPerAccount, document.allocated > cap {
            await ledger.note("\(account): \(document.allocated) rows given, its cap was lowered to \(cap)")
        }
    }

    private func auditGone() async throws(TidegateError) {
        for entry in try await coordination.all(keys.goneGateways) {
            guard let uid = GatewayUID(hex: String(entry.key.dropFirst(keys.goneGateways.count))) else { continue }
            let gone: GoneDocument = try DocumentCoding.decode(from: entry)
            await ledger.check(
                "I13", try await coordination.get(keys.gatewayIndex(uid)) == nil, "\(uid) is gone and still has a name")
            guard gone.purged else { continue }
            for prefix in keys.objects(of: uid) {
                let left = try await store.list(prefix: prefix, after: nil, limit: 1)
                await ledger.check("I13", left.isEmpty, "\(left.first ?? prefix) is there, \(uid) was purged")
            }
        }
    }
}
