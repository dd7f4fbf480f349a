internal import Crypto
package import TidegateCore

#if canImport(FoundationEssentials)
    internal import FoundationEssentials
#else
    internal import Foundation
#endif

/// The token of whoever runs the node, known only by its hash.
package struct AdministratorToken: Sendable {
    let digest: TokenDigest

    package init(digest: TokenDigest) { self.digest = digest }
    package init(secret: String) { digest = TokenDigest(ofSecret: secret) }

    func matches(_ candidate: TokenDigest) -> Bool { digest.matches(candidate) }
}

extension TokenDigest {
    init(ofSecret secret: String) {
        self.init(bytes: Array(SHA256.hash(data: Array(secret.utf8))))
    }

    /// Takes the same time whatever the bytes are.
    func matches(_ other: TokenDigest) -> Bool {
        guard bytes.count == other.bytes.count else { return false }
        return zip(bytes, other.bytes).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
