import Synchronization
import TidegateCore

/// Accounts, gateways and tokens in memory, also as the directory that the node would keep of them.
final class MemoryAccounts: AccountService, GatewayDirectory {
    private struct State {
        var accounts: [String: AccountDocument] = [:]
        var gateways: [String: [String: GatewayView]] = [:]
        var tokens: [String: [TokenDocument]] = [:]
        var clock: Int64 = 1_790_845_200_000
        var minted: UInt128 = 0
    }
    private let state = Mutex(State())
    static let gatewaysMax = 3

    func accounts(after: String?, limit: Int) async throws(TidegateError) -> [AccountDocument] {
        state.withLock { state in
            Array(state.accounts.values.filter { $0.id > (after ?? "") }.sorted { $0.id < $1.id }.prefix(limit))
        }
    }
    func account(_ id: String) async throws(TidegateError) -> AccountDocument? { state.withLock { $0.accounts[id] } }

    func createAccount(id: String, name: String, plan: Plan, overrides: EntitlementOverrides)
        async throws(TidegateError) -> AccountDocument
    {
        guard try await account(id) == nil else { throw TidegateError(.conflict, "The account exists.") }
        return state.withLock { state in
            var account = AccountDocument(id: id, name: name, plan: plan, createdAtMs: state.clock)
            account.overrides = overrides
            state.accounts[id] = account
            return account
        }
    }

    func updateAccount(_ id: String, name: String?, plan: Plan?, overrides: EntitlementOverrides?)
        async throws(TidegateError) -> AccountDocument
    {
        guard var account = try await account(id) else { throw TidegateError(.notFound, "Account not found") }
        account.name = name ?? account.name
        account.plan = plan ?? account.plan
        account.overrides = overrides ?? account.overrides
        state.withLock { [account] in $0.accounts[id] = account }
        return account
    }

    func deleteAccount(_ id: String) async throws(TidegateError) {
        guard try await gateways(of: id).isEmpty else { throw TidegateError(.conflict, "The account has gateways.") }
        state.withLock { $0.accounts[id] = nil }
    }

    func gateways(of account: String) async throws(TidegateError) -> [GatewayView] {
        state.withLock { ($0.gateways[account] ?? [:]).values.sorted { $0.name < $1.name } }
    }
    func gateway(_ name: String, of account: String) async throws(TidegateError) -> GatewayView? {
        state.withLock { $0.gateways[account]?[name] }
    }

    func createGateway(_ name: String, of account: String, settings: GatewaySettings)
        async throws(TidegateError) -> GatewayView
    {
        let all = try await gateways(of: account)
        guard !all.contains(where: { $0.name == name }) else {
            throw TidegateError(.conflict, "The gateway \(name) exists.")
        }
        guard all.count < Self.gatewaysMax else { throw TidegateError(.quotaExceeded, "No more gateways.") }
        return state.withLock { state in
            state.minted += 1
            let view = GatewayView(
                account: account, name: name, uid: GatewayUID(bits: state.minted), settings: settings, revision: 1,
                createdAtMs: state.clock, modifiedAtMs: state.clock)
            state.gateways[account, default: [:]][name] = view
            return view
        }
    }

    func updateGateway(
        _ name: String, of account: String, change: @Sendable (inout GatewaySettings) throws(TidegateError) -> Void
    ) async throws(TidegateError) -> GatewayView {
        guard let old = try await gateway(name, of: account) else {
            throw TidegateError(.notFound, "Gateway not found")
        }
        var settings = old.settings
        try change(&settings)
        let view = GatewayView(
            account: account, name: name, uid: old.uid, settings: settings, revision: old.revision + 1,
            createdAtMs: old.createdAtMs, modifiedAtMs: old.modifiedAtMs + 1_000)
        state.withLock { $0.gateways[account, default: [:]][name] = view }
        return view
    }

    func deleteGateway(_ name: String, of account: String) async throws(TidegateError) -> GatewayView {
        let gone = state.withLock { $0.gateways[account]?.removeValue(forKey: name) }
        guard let gone else { throw TidegateError(.notFound, "Gateway not found") }
        return gone
    }

    func tokens(of account: String) async throws(TidegateError) -> [TokenDocument] {
        state.withLock { $0.tokens[account] ?? [] }
    }
    func createToken(_ token: TokenDocument, of account: String) async throws(TidegateError) {
        state.withLock { $0.tokens[account, default: []].append(token) }
    }
    func revokeToken(_ id: String, of account: String) async throws(TidegateError) {
        let found = state.withLock { state in
            let before = state.tokens[account]?.count ?? 0
            state.tokens[account]?.removeAll { $0.id == id }
            return before != state.tokens[account]?.count ?? 0
        }
        guard found else { throw TidegateError(.notFound, "Token not found") }
    }

    func usage(of account: String) async throws(TidegateError) -> AccountUsage {
        let names = try await gateways(of: account).map(\.name)
        return AccountUsage(
            plan: .paid, entitlements: Plan.paid.entitlements,
            gateways: names.map { .init(name: $0, liveRows: 800, allowance: 1_800, cap: 10_000_000) })
    }

    func cachedGateway(account: String, name: String) -> GatewayView? { nil }
    func resolveGateway(account: String, name: String) async throws(TidegateError) -> GatewayView? {
        try await gateway(name, of: account)
    }
    func adopt(_ gateway: GatewayView) {}
    func cachedToken(account: String, digest: TokenDigest) -> TokenView? { nil }
    func resolveToken(account: String, digest: TokenDigest) async throws(TidegateError) -> TokenView? {
        let hex = digest.bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        guard let token = try await tokens(of: account).first(where: { $0.digest == hex }) else { return nil }
        return TokenView(
            account: account, id: token.id, digest: digest, permissions: Set(token.permissions),
            gateways: token.gateways.map(Set.init), expiresAtMs: token.expiresAtMs)
    }
}
