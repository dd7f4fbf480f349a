import Testing
import TidegateCore
import TidegateTestKit

@testable import TidegateCluster

@Suite("Sealed gossip")
struct GossipSealTests {
    static let now: Int64 = 1_767_225_600_000

    static func key(_ seed: UInt64) throws -> GossipKey {
        var random = SeededGenerator(seed: seed)
        return try GossipKey(bytes: random.bytes(32))
    }

    private func seal(_ sender: UInt64, keys: UInt64..., at now: Int64 = now) throws -> GossipSeal {
        GossipSeal(ring: try GossipKeyRing(keys.map { try Self.key($0) }), sender: sender, at: now)
    }

    private func drop(_ bytes: [UInt8], _ opener: inout GossipSeal, at now: Int64 = now) -> GossipSeal.Drop? {
        do throws(GossipSeal.Drop) {
            _ = try opener.open(bytes, at: now)
            return nil
        } catch { return error }
    }

    @Test("what one seals the other opens, whatever its length", arguments: [0, 1, 15, 16, 17, 300, 1_155])
    func roundTrip(length: Int) throws {
        var random = SeededGenerator(seed: UInt64(length))
        var (one, other) = (try seal(1, keys: 1), try seal(2, keys: 1))
        let plain = random.bytes(length)
        let sealed = try one.seal(plain, at: Self.now)
        #expect(sealed.count == length + GossipSeal.overheadBytes)
        #expect(sealed.count <= SwimPacket.datagramBytesMax)
        #expect(try other.open(sealed, at: Self.now) == plain)
    }

    @Test("whatever the core sends fits; more is refused")
    func bound() throws {
        #expect(GossipSeal.overheadBytes <= SwimPacket.sealBytesMax)
        #expect(SwimPacket.plainBytesMax <= GossipSeal.plainBytesMax)
        var one = try seal(1, keys: 1)
        let tooLong = Array(repeating: UInt8(0), count: GossipSeal.plainBytesMax + 1)
        #expect(throws: TidegateError.self) { try one.seal(tooLong, at: Self.now) }
    }

    @Test("the same words never look the same twice, nor from two senders")
    func unlike() throws {
        var (one, other) = (try seal(1, keys: 1), try seal(2, keys: 1))
        let plain = Array("the same".utf8)
        var seen: Set<[UInt8]> = []
        for _ in 0..<500 {
            for sealed in [try one.seal(plain, at: Self.now), try other.seal(plain, at: Self.now)] {
                seen.insert(Array(sealed.dropFirst(GossipSeal.headerBytes)))
            }
        }
        #expect(seen.count == 1_000)
    }

    @Test("a process that drew a former one's number does not repeat its nonces")
    func restarted() throws {
        let plain = Array("the same".utf8)
        var former = try seal(1, keys: 1)
        let first = try former.seal(plain, at: Self.now)
        var later = try seal(1, keys: 1, at: Self.now + 1)
        let second = try later.seal(plain, at: Self.now)
        #expect(first.dropFirst(GossipSeal.headerBytes) != second.dropFirst(GossipSeal.headerBytes))
    }

    @Test("with any bit changed it does not open, and the true one still does")
    func bitFlips() throws {
        var (one, other) = (try seal(1, keys: 1), try seal(2, keys: 1))
        let sealed = try one.seal(Array("hello, whoever is there".utf8), at: Self.now)
        for bit in 0..<(sealed.count * 8) {
            var damaged = sealed
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(drop(damaged, &other) != nil, "bit \(bit)")
        }
        #expect(drop(sealed, &other) == nil)
    }

    @Test("cut off or made longer it does not open")
    func lengths() throws {
        var (one, other) = (try seal(1, keys: 1), try seal(2, keys: 1))
        let sealed = try one.seal(Array(repeating: 7, count: 100), at: Self.now)
        for length in 0..<sealed.count { #expect(drop(Array(sealed.prefix(length)), &other) != nil) }
        for extra in [1, 16, 2_000] {
            #expect(drop(sealed + Array(repeating: 0, count: extra), &other) != nil)
        }
        #expect(drop(sealed, &other) == nil)
    }

    @Test("noise is dropped, with a header of ours before it as well", arguments: UInt64(0)..<4)
    func noise(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var (one, other) = (try seal(1, keys: 1), try seal(2, keys: 1))
        let header = try one.seal([], at: Self.now).prefix(GossipSeal.headerBytes)
        for index in 0..<1_000 {
            let bytes = random.bytes(Int.random(in: 0...1_300, using: &random))
            #expect(drop(index.isMultiple(of: 2) ? bytes : header + bytes, &other) != nil)
        }
        #expect(drop(try one.seal([1], at: Self.now), &other) == nil)
    }

    @Test("a datagram opens once; others may overtake it", arguments: UInt64(0)..<4)
    func replay(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var (one, other) = (try seal(1, keys: 1), try seal(2, keys: 1))
        #expect(drop(try one.seal([], at: Self.now), &other) == nil)  // the first word heard
        let batch = try (0..<1_000).map { try one.seal([UInt8(truncatingIfNeeded: $0)], at: Self.now) }
        for sealed in batch.shuffled(using: &random) { #expect(drop(sealed, &other) == nil) }
        for sealed in batch.shuffled(using: &random) { #expect(drop(sealed, &other) == .replayed) }
    }

    @Test("one that comes after the window has passed is dropped")
    func late() throws {
        var (one, other) = (try seal(1, keys: 1), try seal(2, keys: 1))
        #expect(drop(try one.seal([], at: Self.now), &other) == nil)
        let late = try one.seal([], at: Self.now)
        for _ in 0..<1_024 { #expect(drop(try one.seal([], at: Self.now), &other) == nil) }
        #expect(drop(late, &other) == .replayed)
    }

    @Test("a node that starts takes nothing that was recorded a while ago")
    func stale() throws {
        var one = try seal(1, keys: 1)
        let recorded = try one.seal([], at: Self.now)
        let later = Self.now + 61_000
        var other = try seal(2, keys: 1, at: later)
        #expect(drop(recorded, &other, at: later) == .stale)
        #expect(drop(try one.seal([], at: later), &other, at: later) == nil)
        #expect(drop(recorded, &other, at: later) == .replayed)
    }

    @Test("without the key nobody is heard, and takes no room")
    func strangers() throws {
        var (stranger, other) = (try seal(1, keys: 1), try seal(2, keys: 2))
        #expect(drop(try stranger.seal([], at: Self.now), &other) == .unknownKey)
        // One who knows the key's id, but not the key.
        var claimed = try stranger.seal([], at: Self.now)
        let own = try other.seal([], at: Self.now)
        claimed.replaceSubrange(1..<5, with: own[1..<5])
        #expect(drop(claimed, &other) == .forged)
    }

    @Test("my own words that come back are not news")
    func echo() throws {
        var one = try seal(1, keys: 1)
        let sealed = try one.seal([1], at: Self.now)
        #expect(drop(sealed, &one) == .echoed)
    }

    @Test("keys are changed while everybody goes on talking")
    func rotation() throws {
        var (one, other) = (try seal(1, keys: 1), try seal(2, keys: 1))
        /// Rings of the two at each step, oldest first; between steps the one is ahead of the other.
        let steps: [([UInt64], [UInt64])] = [
            ([1, 2], [1]), ([1, 2], [1, 2]), ([2, 1], [1, 2]), ([2, 1], [2, 1]), ([2], [2, 1]),
        ]
        for (ring, otherRing) in steps {
            one.use(try GossipKeyRing(ring.map { try Self.key($0) }))
            other.use(try GossipKeyRing(otherRing.map { try Self.key($0) }))
            let sealed = try one.seal([9], at: Self.now)
            #expect(drop(sealed, &other) == nil)
            #expect(drop(sealed, &other) == .replayed)
            #expect(drop(try other.seal([9], at: Self.now), &one) == nil)
        }
        var retired = try seal(3, keys: 1)
        #expect(drop(try retired.seal([9], at: Self.now), &one) == .unknownKey)
    }

    @Test("a replay under another key of the ring is still a replay")
    func rotatedReplay() throws {
        var (one, other) = (try seal(1, keys: 1, 2), try seal(2, keys: 1, 2))
        let sealed = try one.seal([9], at: Self.now)
        #expect(drop(sealed, &other) == nil)
        other.use(try GossipKeyRing([Self.key(2), Self.key(1)]))
        #expect(drop(sealed, &other) == .replayed)
    }
}
