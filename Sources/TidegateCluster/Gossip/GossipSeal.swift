internal import Crypto
internal import FoundationEssentials
package import TidegateCore

/// Encrypts and authenticates gossip, and takes each datagram once: AES-256-GCM under a ring of shared keys.
///
/// ```
/// version(1) key id(4) sender(8) counter(8) sent(8) │ ciphertext │ tag(16)        numbers are little-endian
/// └───────────── authenticated, in plain ─────────┘
/// ```
/// - *sender*: 64 random bits of this start of the process. *counter*: counts its datagrams up. *sent*: milliseconds
///   since 1970, of use only to those who do not know the sender yet (`ReplayGuard`).
/// - The key of a datagram is derived from a key of the ring and the sender, its nonce is the counter: under one key no
///   counter comes twice. A counter begins at the time of day in microseconds, so that not even two starts that drew the
///   same 64 bits would share one, unless they began within as many microseconds as the first has sent datagrams.
/// - A datagram is not bound to its receiver: gossip is meant for everybody, a ping names whom it means.
/// - Whatever does not open is dropped, and its reason counted by the caller. Nothing is ever answered to it.
package struct GossipSeal: Sendable {
    /// Why a datagram was dropped; labels of a metric.
    package enum Drop: String, CaseIterable, Error, Sendable {
        /// Too short, too long or of another version: not ours.
        case foreign
        /// Sealed with a key that is not in the ring.
        case unknownKey = "unknown_key"
        /// Changed on its way, or sealed by somebody without the key.
        case forged
        case replayed
        /// Of an unknown sender, and too old: recorded, or a clock is wrong.
        case stale
        /// Mine, sent back to me.
        case echoed
        /// More senders than can be remembered.
        case crowded
    }

    package static let version: UInt8 = 1
    static let headerBytes = 29
    static let tagBytes = 16
    /// What sealing adds.
    package static let overheadBytes = headerBytes + tagBytes
    package static let plainBytesMax = SwimPacket.datagramBytesMax - overheadBytes

    package let sender: UInt64
    private var ring: GossipKeyRing
    private var counter: UInt64
    private var taken: ReplayGuard
    private var sealingKey: SymmetricKey
    /// Derived keys of senders that were authenticated.
    private var openingKeys: [OpeningKey: SymmetricKey] = [:]

    private struct OpeningKey: Hashable { var id: UInt32, sender: UInt64 }
    private static let openingKeysMax = 4_096

    /// - Parameters:
    ///   - sender: drawn at random at each start.
    ///   - now: milliseconds since 1970.
    package init(ring: GossipKeyRing, sender: UInt64, at now: Int64, taken: ReplayGuard = ReplayGuard()) {
        self.ring = ring
        self.sender = sender
        self.taken = taken
        counter = UInt64(clamping: now) &* 1_000
        sealingKey = ring.sealing.subkey(of: sender)
    }

    /// From now on these keys count. Counters and windows stay: a datagram under two keys is still one datagram.
    package mutating func use(_ ring: GossipKeyRing) {
        self.ring = ring
        sealingKey = ring.sealing.subkey(of: sender)
        openingKeys = [:]
    }

    /// - Parameter plain: at most `plainBytesMax` bytes.
    /// - Throws: `.invalidRequest` for more.
    package mutating func seal(_ plain: [UInt8], at now: Int64) throws(TidegateError) -> [UInt8] {
        guard plain.count <= Self.plainBytesMax else {
            throw TidegateError(
                .invalidRequest, "A gossip datagram holds \(Self.plainBytesMax) bytes, not \(plain.count).")
        }
        counter &+= 1
        var header = ByteWriter(capacity: SwimPacket.datagramBytesMax)
        header.fixed(Self.version)
        header.fixed(ring.sealing.id)
        header.fixed(sender)
        header.fixed(counter)
        header.fixed(now)
        do {
            let box = try AES.GCM.seal(
                plain, using: sealingKey, nonce: Self.nonce(counter), authenticating: header.bytes)
            header.raw(box.ciphertext)
            header.raw(box.tag)
        } catch {
            throw TidegateError(.internalError, "A gossip datagram cannot be sealed.", cause: error)
        }
        return header.finish()
    }

    /// Cheap checks come first: noise costs nothing, a replay no decryption, and only who has a key costs memory.
    package mutating func open(_ sealed: [UInt8], at now: Int64) throws(Drop) -> [UInt8] {
        guard let header = Header(sealed) else { throw .foreign }
        guard header.sender != sender else { throw .echoed }
        guard let key = ring.key(header.key) else { throw .unknownKey }
        try Self.check(
            taken.verdict(sender: header.sender, counter: header.counter, sent: header.sent, at: now))
        let place = OpeningKey(id: key.id, sender: header.sender)
        let derived = openingKeys[place] ?? key.subkey(of: header.sender)
        let plain: [UInt8]
        do {
            let end = sealed.count - Self.tagBytes
            let box = try AES.GCM.SealedBox(
                nonce: Self.nonce(header.counter), ciphertext: sealed[Self.headerBytes..<end], tag: sealed[end...])
            plain = Array(try AES.GCM.open(box, using: derived, authenticating: sealed[..<Self.headerBytes]))
        } catch {
            throw .forged
        }
        try Self.check(taken.take(sender: header.sender, counter: header.counter, sent: header.sent, at: now))
        if openingKeys[place] == nil {
            if openingKeys.count >= Self.openingKeysMax { openingKeys = [:] }  // derived again when they are needed
            openingKeys[place] = derived
        }
        return plain
    }

    private static func check(_ verdict: ReplayGuard.Verdict) throws(Drop) {
        switch verdict {
        case .new: return
        case .replayed: throw .replayed
        case .stale: throw .stale
        case .full: throw .crowded
        }
    }

    private static func nonce(_ counter: UInt64) throws -> AES.GCM.Nonce {
        var bytes = ByteWriter(capacity: 12)
        bytes.fixed(UInt32(0))
        bytes.fixed(counter)
        return try AES.GCM.Nonce(data: bytes.finish())
    }

    private struct Header {
        var key: UInt32, sender: UInt64, counter: UInt64, sent: Int64

        init?(_ sealed: [UInt8]) {
            guard sealed.count >= GossipSeal.overheadBytes, sealed.count <= SwimPacket.datagramBytesMax else {
                return nil
            }
            var reader = ByteReader(sealed)
            guard (try? reader.fixed(UInt8.self)) == GossipSeal.version, let key = try? reader.fixed(UInt32.self),
                let sender = try? reader.fixed(UInt64.self), let counter = try? reader.fixed(UInt64.self),
                let sent = try? reader.fixed(Int64.self)
            else { return nil }
            (self.key, self.sender, self.counter, self.sent) = (key, sender, counter, sent)
        }
    }
}
