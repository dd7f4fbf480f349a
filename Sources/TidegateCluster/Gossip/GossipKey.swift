internal import Crypto
internal import FoundationEssentials
package import TidegateCore

/// 256 bits that all members of a cluster share. Printing one shows its id, never the bits.
package struct GossipKey: Sendable, CustomStringConvertible {
    let key: SymmetricKey
    /// Stands in every datagram, so that its reader need not try all keys. Says nothing about the key: a one-way function.
    package let id: UInt32

    package static let byteCount = 32

    package init(bytes: [UInt8]) throws(TidegateError) {
        guard bytes.count == Self.byteCount else {
            throw TidegateError(
                .invalidConfiguration, "A gossip key has \(Self.byteCount) bytes, this one \(bytes.count).")
        }
        key = SymmetricKey(data: bytes)
        let digest = HKDF<SHA256>.deriveKey(
            inputKeyMaterial: key, info: Array("tidegate gossip key id".utf8), outputByteCount: 4)
        id = digest.withUnsafeBytes { UInt32(littleEndian: $0.loadUnaligned(as: UInt32.self)) }
    }

    /// 64 hexadecimal digits, or base64 (also that for URLs, also without padding).
    package init(text: some StringProtocol) throws(TidegateError) {
        try self.init(bytes: try Self.bytes(of: String(text)))
    }

    package var description: String { "gossip key \(String(id, radix: 16))" }

    /// The key of one sender under this key. Counters then are nonces, and no two senders can share one.
    func subkey(of sender: UInt64) -> SymmetricKey {
        var info = ByteWriter(capacity: 32)
        info.raw("tidegate gossip sender".utf8)
        info.fixed(sender)
        return HKDF<SHA256>.deriveKey(
            inputKeyMaterial: key, info: info.finish(), outputByteCount: Self.byteCount)
    }

    private static func bytes(of text: String) throws(TidegateError) -> [UInt8] {
        if text.utf8.count == 2 * byteCount, text.utf8.allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }) {
            var rest = Substring(text)
            var bytes: [UInt8] = []
            while let byte = UInt8(rest.prefix(2), radix: 16) {
                bytes.append(byte)
                rest = rest.dropFirst(2)
            }
            return bytes
        }
        var base64 = text.replacing("-", with: "+").replacing("_", with: "/")
        while base64.utf8.count % 4 != 0, base64.utf8.count < 2 * byteCount { base64 += "=" }
        guard let data = Data(base64Encoded: base64) else {
            throw TidegateError(
                .invalidConfiguration,
                "A gossip key is 32 bytes as 64 hexadecimal digits or as base64: `openssl rand -base64 32` makes one.")
        }
        return Array(data)
    }
}

/// The keys of a cluster, newest first: the first one seals, each of them opens.
///
/// To rotate: add the new key at the end everywhere; then move it to the front everywhere; then take the old one away.
package struct GossipKeyRing: Sendable {
    package static let keysMax = 8

    package let keys: [GossipKey]
    package var sealing: GossipKey { keys[0] }

    package init(_ keys: [GossipKey]) throws(TidegateError) {
        guard !keys.isEmpty else {
            throw TidegateError(.invalidConfiguration, "There is no gossip key: the first line without a # is one.")
        }
        guard keys.count <= Self.keysMax else {
            throw TidegateError(
                .invalidConfiguration, "There are \(keys.count) gossip keys; \(Self.keysMax) are enough to rotate.")
        }
        guard Set(keys.map(\.id)).count == keys.count else {
            throw TidegateError(.invalidConfiguration, "A gossip key is listed twice.")
        }
        self.keys = keys
    }

    /// One key a line; empty lines, and what follows a `#`, are skipped.
    /// - Throws: `.invalidConfiguration` with the line's number; no part of a key is in the message.
    package init(text: String) throws(TidegateError) {
        var keys: [GossipKey] = []
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace)
            guard let word = words.first else { continue }
            guard words.count == 1 else {
                throw TidegateError(.invalidConfiguration, "Line \(index + 1) of the gossip keys is more than a key.")
            }
            do throws(TidegateError) { keys.append(try GossipKey(text: word)) } catch {
                throw TidegateError(
                    .invalidConfiguration, "Line \(index + 1) of the gossip keys: \(error.message)")
            }
        }
        try self.init(keys)
    }

    package init(file path: String) throws(TidegateError) {
        let text: String
        do { text = try String(contentsOfFile: path, encoding: .utf8) } catch {
            throw TidegateError(
                .invalidConfiguration, "The gossip keys in \(path) cannot be read.", cause: error)
        }
        try self.init(text: text)
    }

    func key(_ id: UInt32) -> GossipKey? { keys.first { $0.id == id } }
}
