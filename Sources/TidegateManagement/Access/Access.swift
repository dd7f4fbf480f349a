internal import TidegateCore

/// Who may call an endpoint.
enum Access: Sendable {
    /// Everybody. `/metrics` is of this kind: it names no account, gateway, key or prompt, and belongs on a loopback or
    /// otherwise private address.
    case open
    case administrator
    /// The administrator, or a token of the account in the path with this right over all of its gateways.
    case account(TokenPermission)
    /// The same, or a token narrowed to some gateways: the endpoint shows it only those.
    case someGateways(TokenPermission)
    /// The administrator, or a token of the account with this right over the gateway in the path.
    case gateway(TokenPermission)
    /// The administrator, or a `read` token of the account that the query names (`?account=…`, else `default`).
    case node
}

/// Who calls.
enum Caller: Sendable {
    case anybody
    case administrator
    case token(TokenView)

    func sees(gateway: String) -> Bool {
        guard case .token(let token) = self, let gateways = token.gateways else { return true }
        return gateways.contains(gateway)
    }
}

/// Decides from the credentials in the headers whether a call may go on.
struct Gatekeeper: Sendable {
    let administrator: AdministratorToken
    let directory: any GatewayDirectory
    let clock: any WallClock

    /// - Parameters:
    ///   - authorization: value of `Authorization`.
    ///   - key: value of `X-Auth-Key`, which counts only beside an `X-Auth-Email`.
    /// - Throws: 401 without a good credential, 403 when it has not the right, 503 when nobody can tell.
    func admit(
        to access: Access, account: String?, gateway: String?, authorization: String?, email: String?, key: String?
    ) async throws -> Caller {
        if case .open = access { return .anybody }
        guard let secret = Self.secret(authorization: authorization, email: email, key: key) else { throw Self.unknown }
        let digest = TokenDigest(ofSecret: secret)
        if administrator.matches(digest) { return .administrator }
        // Tokens that we did not make are refused without asking the store.
        guard secret.hasPrefix(TokenSecret.prefix), secret.utf8.count <= 128 else { throw Self.unknown }
        guard let account, let token = try await self.token(digest, account: account) else { throw Self.unknown }
        let now = clock.milliseconds()
        if let end = token.expiresAtMs, end <= now { throw Self.unknown }
        guard allows(token, access, account: account, gateway: gateway, now: now) else { throw Self.refused }
        return .token(token)
    }

    private func allows(
        _ token: TokenView, _ access: Access, account: String, gateway: String?, now: Int64
    ) -> Bool {
        func may(_ permission: TokenPermission, _ gateway: String?) -> Bool {
            token.allows(permission, account: account, gateway: gateway, atMs: now)
                || (permission == .read && token.allows(.edit, account: account, gateway: gateway, atMs: now))
        }
        switch access {
        case .open: return true
        case .administrator: return false
        case .account(let permission): return may(permission, nil)
        case .someGateways(let permission): return may(permission, token.gateways?.first)
        case .gateway(let permission): return may(permission, gateway ?? "")
        case .node: return may(.read, nil)
        }
    }

    private func token(_ digest: TokenDigest, account: String) async throws -> TokenView? {
        if let token = directory.cachedToken(account: account, digest: digest) { return token }
        return try await directory.resolveToken(account: account, digest: digest)
    }

    private static func secret(authorization: String?, email: String?, key: String?) -> String? {
        if let authorization {
            let parts = authorization.split(separator: " ", maxSplits: 1)
            if parts.count == 2, parts[0].lowercased() == "bearer" { return String(parts[1].drop { $0 == " " }) }
        }
        guard email != nil, let key, !key.isEmpty else { return nil }
        return key
    }

    private static var unknown: APIFailure {
        APIFailure(
            status: 401, code: APIFailure.Code.authentication, "Authentication error",
            headers: [(name: "www-authenticate", value: "Bearer")])
    }
    private static var refused: APIFailure {
        APIFailure(
            status: 403, code: APIFailure.Code.authentication, "The token does not have the right to do this")
    }
}
