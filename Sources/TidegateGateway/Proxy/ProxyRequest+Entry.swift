internal import Crypto
internal import NIOCore
internal import NIOHTTP1
internal import TidegateCore

// The checks in the reference's order (proxy.md §7): gateway, token, slug and body.
extension ProxyRequest {
    func enter() {
        guard !target.gateway.isEmpty, !target.account.isEmpty else { return refuse(.noRoute) }
        if let view = loop.services.directory.cachedGateway(account: target.account, name: target.gateway) {
            authenticate(view)
        } else {
            resolveGateway()
        }
    }

    /// Asks the directory in a task; the request waits on its connection. Only for what the node has not seen yet.
    private func resolveGateway() {
        connection.holdRequest()
        let (directory, account, name) = (loop.services.directory, target.account, target.gateway)
        let me = NIOLoopBound(self, eventLoop: loop.eventLoop)
        Task {
            let found: Result<GatewayView?, TidegateError>
            do throws(TidegateError) {
                found = .success(try await directory.resolveGateway(account: account, name: name))
            } catch {
                found = .failure(error)
            }
            me.eventLoop.execute { me.value.gatewayResolved(found) }
        }
    }

    private func gatewayResolved(_ found: Result<GatewayView?, TidegateError>) {
        guard !isOver else { return }
        switch found {
        case .success(let view?): authenticate(view)
        case .success(nil):
            let (account, name) = (target.account, target.gateway)
            refuse(
                .unknownGateway.hinting(
                    "The account \(account) has no gateway \(name): tidegate gateway create \(name) --account \(account)"
                ))
        case .failure:
            refuse(.overloaded("The gateway's settings cannot be read now. Try again in a moment."))
        }
        if !awaitsToken { connection.releaseRequest() }
    }

    // MARK: Token

    /// policies.md §3. A token of ours that came as the provider's key is taken out, whether or not it was needed.
    private func authenticate(_ view: GatewayView) {
        gateway = view
        if let sent = framing.gatewayAuthorization, ForwardedHeaders.isKey(sent) {
            return check(Credential(sent, from: nil), isRequired: view.settings.authentication)
        }
        if let key = providerKey(isRequired: view.settings.authentication) {
            return check(key, isRequired: view.settings.authentication)
        }
        if view.settings.authentication { refuse(.unauthorized) } else { dispatch(view) }
    }

    /// The provider's key if it may be a token of ours: any when one is required, else by our tokens' prefix.
    private func providerKey(isRequired: Bool) -> Credential? {
        var candidates: [Credential] = []
        if let authorization = framing.authorization, ForwardedHeaders.isKey(authorization) {
            candidates.append(Credential(authorization, from: "authorization"))
        }
        if let other = framing.otherKey, ForwardedHeaders.isKey(other.value) {
            candidates.append(Credential(other.value, from: other.name))
        }
        if target.provider == "google-ai-studio", let key = target.queryItem("key") {
            candidates.append(Credential(key, from: Credential.queryKey))
        }
        return candidates.first(where: \.looksLikeOurs)
            ?? (isRequired ? candidates.first : nil)
    }

    private func check(_ credential: Credential, isRequired: Bool) {
        let digest = credential.digest
        let directory = loop.services.directory
        if let token = directory.cachedToken(account: target.account, digest: digest) {
            return checked(token, digest, credential, isRequired: isRequired)
        }
        guard isRequired || credential.field != nil else { return checked(nil, digest, credential, isRequired: false) }
        connection.holdRequest()
        awaitsToken = true
        let account = target.account
        let me = NIOLoopBound(self, eventLoop: loop.eventLoop)
        Task {
            let found: Result<TokenView?, TidegateError>
            do throws(TidegateError) {
                found = .success(try await directory.resolveToken(account: account, digest: digest))
            } catch {
                found = .failure(error)
            }
            me.eventLoop.execute {
                me.value.tokenResolved(found, digest, credential, isRequired: isRequired)
            }
        }
    }

    private func tokenResolved(
        _ found: Result<TokenView?, TidegateError>, _ digest: TokenDigest, _ credential: Credential, isRequired: Bool
    ) {
        awaitsToken = false
        guard !isOver else { return }
        switch found {
        case .success(let token): checked(token, digest, credential, isRequired: isRequired)
        case .failure where isRequired:
            refuse(.overloaded("The gateway's tokens cannot be read now. Try again in a moment."))
        case .failure: checked(nil, digest, credential, isRequired: false)
        }
        connection.releaseRequest()
    }

    private func checked(
        _ token: TokenView?, _ digest: TokenDigest, _ credential: Credential, isRequired: Bool
    ) {
        guard let view = gateway else { return }
        if let token, token.digest.equalsInConstantTime(digest),
            token.allows(.run, account: target.account, gateway: target.gateway, atMs: startedAtMs)
        {
            isAuthenticated = true
        }
        if token != nil, let field = credential.field { keptHere.insert(field) }
        if isRequired, !isAuthenticated { refuse(.unauthorized) } else { dispatch(view) }
    }
}

/// A token as a caller sent it.
struct Credential: Sendable {
    /// What the management API's tokens begin with.
    private static let prefix = "tg_"
    /// Stands for the query item `key`, where Google's clients may put it.
    static let queryKey = "?key"
    /// Words that may stand before a key (reference: providers.md §1).
    private static let schemes: [StaticString] = ["bearer ", "token ", "key "]

    let secret: Substring
    /// Lower-case name of the provider's field it stood in; `nil` for the gateway's own.
    let field: String?

    init(_ value: String, from field: String?) {
        self.field = field
        let scheme = Self.schemes.first { value.hasFieldPrefix($0) }
        secret = OptionValue.trimmed(scheme.map { value.dropFirst($0.utf8CodeUnitCount) } ?? value[...])
    }

    var looksLikeOurs: Bool { secret.utf8.starts(with: Self.prefix.utf8) }

    var digest: TokenDigest {
        var hash = SHA256()
        var text = String(secret)
        text.withUTF8 { hash.update(bufferPointer: UnsafeRawBufferPointer($0)) }
        return TokenDigest(bytes: Array(hash.finalize()))
    }
}

extension TokenDigest {
    /// Takes the same time wherever the two differ.
    func equalsInConstantTime(_ other: TokenDigest) -> Bool {
        guard bytes.count == other.bytes.count else { return false }
        var difference: UInt8 = 0
        for index in bytes.indices { difference |= bytes[index] ^ other.bytes[index] }
        return difference == 0
    }
}
