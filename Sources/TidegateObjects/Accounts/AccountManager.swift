package import TidegateCore

/// Accounts, their gateways and tokens, as documents in the coordination store (protocol §2, §10).
///
/// Every change is one transaction on the mod-revisions that it read, repeated while others are faster: the truth is in
/// the documents, so any number of managers may work at once.
package struct AccountManager: AccountService {
    let store: any CoordinationStore
    let keys: CoordinationKeys
    let logs: any GatewayLogs
    let region: String
    let clock: any WallClock
    /// A new uid must never have been used: random.
    private let mintUID: @Sendable () -> GatewayUID
    static let attemptsMax = 32
    static let pageSize = 500

    package init(
        store: any CoordinationStore, keys: CoordinationKeys, logs: any GatewayLogs, region: String,
        clock: any WallClock, mintUID: @escaping @Sendable () -> GatewayUID
    ) {
        self.store = store
        self.keys = keys
        self.logs = logs
        self.region = region
        self.clock = clock
        self.mintUID = mintUID
    }

    // MARK: - Accounts

    package func accounts(after: String?, limit: Int) async throws(TidegateError) -> [AccountDocument] {
        var found: [AccountDocument] = []
        // Behind every key of `after`: "0" is the byte after "/".
        var from = after.map { keys.accounts + $0 + "0" }
        while found.count < limit {
            // The account's document sorts before its gateways, quotas and tokens; jump over those.
            let page = try await store.range(prefix: keys.accounts, after: from, limit: 1)
            guard let entry = page.entries.first,
                let id = entry.key.dropFirst(keys.accounts.count).split(separator: "/").first
            else { break }
            if entry.key == keys.account(String(id)) { found.append(try DocumentCoding.decode(from: entry)) }
            from = keys.accounts + id + "0"
        }
        return found
    }

    package func account(_ id: String) async throws(TidegateError) -> AccountDocument? {
        try await store.get(keys.account(id)).map { entry throws(TidegateError) in
            try DocumentCoding.decode(from: entry)
        }
    }

    package func createAccount(
        id: String, name: String, plan: Plan, overrides: EntitlementOverrides
    ) async throws(TidegateError) -> AccountDocument {
        var document = AccountDocument(id: id, name: name, plan: plan, createdAtMs: clock.milliseconds())
        document.overrides = overrides
        let key = keys.account(id)
        let value = try DocumentCoding.encode(document)
        let transaction = CoordinationTransaction(
            compare: [.modRevision(key: key, equals: 0)], then: [.put(key: key, value: value)])
        guard try await settle(transaction, didHappen: { $0 == value }, of: key) else {
            throw TidegateError(.conflict, "There is an account \(id) already.")
        }
        return document
    }

    package func updateAccount(
        _ id: String, name: String?, plan: Plan?, overrides: EntitlementOverrides?
    ) async throws(TidegateError) -> AccountDocument {
        let document: AccountDocument = try await change(keys.account(id), "account \(id)") { document in
            document.name = name ?? document.name
            document.plan = plan ?? document.plan
            if let overrides { document.overrides = document.overrides.merging(overrides) }
            document.modifiedAtMs = clock.milliseconds()
        }.document
        for gateway in try await gateways(of: id) { logs.settingsChanged(of: gateway.uid) }
        return document
    }

    package func deleteAccount(_ id: String) async throws(TidegateError) {
        for _ in 0..<Self.attemptsMax {
            guard let entry = try await store.get(keys.account(id)) else { throw Self.noAccount(id) }
            let document: AccountDocument = try DocumentCoding.decode(from: entry)
            guard document.gatewayCount == 0 else {
                throw TidegateError(.conflict, "The account \(id) still has gateways: delete them first.")
            }
            let tokens = try await store.range(prefix: keys.tokens(of: id), after: nil, limit: 100)
            // Tokens first, so that a crash leaves an account without tokens, not tokens without an account.
            let last = !tokens.hasMore
            let transaction = CoordinationTransaction(
                compare: [.modRevision(key: entry.key, equals: entry.modRevision)],
                then: tokens.entries.map { .delete(key: $0.key) } + (last ? [.delete(key: entry.key)] : []))
            if try await settle(transaction, didHappen: { $0 == nil }, of: entry.key), last { return }
        }
        throw Self.tooFast
    }

    // MARK: - Tokens

    package func tokens(of account: String) async throws(TidegateError) -> [TokenDocument] {
        var tokens: [TokenDocument] = []
        for entry in try await entries(keys.tokens(of: account)) {
            tokens.append(try DocumentCoding.decode(from: entry))
        }
        return tokens
    }

    package func createToken(_ token: TokenDocument, of account: String) async throws(TidegateError) {
        let key = keys.token(account, token.id)
        let value = try DocumentCoding.encode(token)
        for _ in 0..<Self.attemptsMax {
            guard let owner = try await store.get(keys.account(account)) else { throw Self.noAccount(account) }
            let transaction = CoordinationTransaction(
                compare: [
                    .modRevision(key: owner.key, equals: owner.modRevision), .modRevision(key: key, equals: 0),
                ], then: [.put(key: key, value: value)])
            if try await settle(transaction, didHappen: { $0 == value }, of: key) { return }
            if try await store.get(key) != nil { throw TidegateError(.conflict, "There is such a token already.") }
        }
        throw Self.tooFast
    }

    package func revokeToken(_ id: String, of account: String) async throws(TidegateError) {
        let key = keys.token(account, id)
        guard try await store.get(key) != nil else { throw TidegateError(.notFound, "There is no token \(id).") }
        _ = try await settle(
            CoordinationTransaction(then: [.delete(key: key)]), didHappen: { $0 == nil }, of: key)
    }

    // MARK: - Usage

    package func usage(of account: String) async throws(TidegateError) -> AccountUsage {
        guard let document = try await self.account(account) else { throw Self.noAccount(account) }
        var usage = AccountUsage(plan: document.plan, entitlements: document.entitlements, gateways: [])
        for gateway in try await gateways(of: account) {
            let quota: QuotaDocument? = try await store.get(keys.quota(account, gateway.uid))
                .map { entry throws(TidegateError) in try DocumentCoding.decode(from: entry) }
            let caps = [document.entitlements.rowsPerGateway, gateway.settings.logManagement.map(Int64.init)]
            usage.gateways.append(
                AccountUsage.Gateway(
                    name: gateway.name, liveRows: try await logs.liveRows(of: gateway.uid),
                    allowance: quota?.allowance ?? 0, cap: caps.compactMap { $0 }.min()))
        }
        return usage
    }

    func newUID() -> GatewayUID { mintUID() }
}
