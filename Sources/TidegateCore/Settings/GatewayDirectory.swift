/// A gateway as the data plane sees it: an immutable picture of its document.
package final class GatewayView: Sendable {
    package let account: String
    package let name: String
    package let uid: GatewayUID
    package let settings: GatewaySettings
    /// Mod-revision of the document: pictures of one gateway only move forward (A27).
    package let revision: Revision
    package let createdAtMs: Int64
    package let modifiedAtMs: Int64

    package init(
        account: String, name: String, uid: GatewayUID, settings: GatewaySettings, revision: Revision,
        createdAtMs: Int64, modifiedAtMs: Int64
    ) {
        self.account = account
        self.name = name
        self.uid = uid
        self.settings = settings
        self.revision = revision
        self.createdAtMs = createdAtMs
        self.modifiedAtMs = modifiedAtMs
    }
}

/// SHA-256 of a token's secret.
package struct TokenDigest: Hashable, Sendable {
    /// 32 bytes.
    package let bytes: [UInt8]
    package init(bytes: [UInt8]) { self.bytes = bytes }
}

package final class TokenView: Sendable {
    package let account: String
    package let id: String
    package let digest: TokenDigest
    package let permissions: Set<TokenPermission>
    package let gateways: Set<String>?
    package let expiresAtMs: Int64?

    package init(
        account: String, id: String, digest: TokenDigest, permissions: Set<TokenPermission>, gateways: Set<String>?,
        expiresAtMs: Int64?
    ) {
        self.account = account
        self.id = id
        self.digest = digest
        self.permissions = permissions
        self.gateways = gateways
        self.expiresAtMs = expiresAtMs
    }

    /// - Parameter gateway: `nil` asks for a right over the account as a whole.
    package func allows(_ permission: TokenPermission, account: String, gateway: String?, atMs now: Int64) -> Bool {
        guard account == self.account, permissions.contains(permission) else { return false }
        if let expiresAtMs, expiresAtMs <= now { return false }
        guard let gateways else { return true }
        return gateway.map(gateways.contains) ?? false
    }
}

/// The node's local copy of accounts, gateways and tokens. `cached…` answers at once and from any thread; `resolve…` asks
/// the coordination store, so that what was made a moment ago elsewhere is found (A27).
package protocol GatewayDirectory: Sendable {
    func cachedGateway(account: String, name: String) -> GatewayView?
    /// - Returns: `nil` when there is none; the answer "none" is kept for a second.
    /// - Throws: `.unavailable` when nobody can tell.
    func resolveGateway(account: String, name: String) async throws(TidegateError) -> GatewayView?

    /// Takes a picture that was written through this node: who asks this node next sees it, however late the watch is.
    func adopt(_ gateway: GatewayView)

    func cachedToken(account: String, digest: TokenDigest) -> TokenView?
    func resolveToken(account: String, digest: TokenDigest) async throws(TidegateError) -> TokenView?
}

extension TokenDigest {
    /// Reads 64 hexadecimal digits; `nil` for anything else.
    package init?(hex: String) {
        let digits = hex.utf8.map { UInt8(ascii: "0") <= $0 && $0 <= UInt8(ascii: "9") ? $0 - 48 : ($0 | 32) &- 87 }
        guard digits.count == 64, digits.allSatisfy({ $0 < 16 }) else { return nil }
        self.init(bytes: stride(from: 0, to: 64, by: 2).map { digits[$0] << 4 | digits[$0 + 1] })
    }

    package var hex: String { Hexadecimal.text(bytes) }
}
