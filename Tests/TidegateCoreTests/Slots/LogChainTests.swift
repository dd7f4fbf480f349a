import Testing
import TidegateCore

@Suite("The chain of log objects after time went back")
struct LogChainTests {
    private func object(_ epoch: Epoch, _ crc: UInt32, after previous: UInt32, in generation: Int = 1)
        -> LogChain.Candidate
    {
        LogChain.Candidate(epoch: epoch, generation: generation, length: 9, crc: crc, previousCRC: previous)
    }

    @Test("goes on with what continues it, whoever else wrote at the same place")
    func follows() {
        var chain = LogChain(after: 0, crc: 0)
        #expect(chain.extend(with: [object(1, 11, after: 0)]) != nil)
        // Epoch 1 had a second object in flight when epoch 2 claimed behind the first.
        #expect(chain.extend(with: [object(1, 21, after: 11), object(2, 22, after: 11)])?.crc == 22)
        #expect(chain.extend(with: [object(1, 31, after: 21), object(2, 32, after: 22)])?.crc == 32)
        #expect(chain.extend(with: [object(1, 41, after: 31)]) == nil)
        #expect(chain.head == SlotHead(n: 3, epoch: 2, len: 9, crc: 32, prevCrc: 22))
        #expect(
            chain.lineage == [
                LineageStep(epoch: 1, firstN: 1, generation: 1), LineageStep(epoch: 2, firstN: 2, generation: 1),
            ])
    }

    @Test("starts behind a snapshot, and takes no older epoch after a younger one")
    func starts() {
        var chain = LogChain(after: 7, crc: 70)
        #expect(chain.nextN == 8)
        #expect(chain.extend(with: [object(3, 80, after: 71)]) == nil)
        #expect(chain.extend(with: [object(3, 80, after: 70)]) != nil)
        #expect(chain.extend(with: [object(2, 90, after: 80)]) == nil)
    }

    @Test("finds the committed log among the leftovers of robbed owners", arguments: UInt64(1)...40)
    func random(seed: UInt64) {
        var random = TestGenerator(state: seed)
        var stored: [LogIndex: [LogChain.Candidate]] = [:]
        var committed: [UInt32] = []
        var name: UInt32 = 1
        for epoch in Epoch(1)...8 {
            let first = LogIndex(committed.count + 1)
            let written = Int.random(in: 0...6, using: &random)
            let kept = epoch == 8 ? written : Int.random(in: 0...written, using: &random)
            var previous = committed.last ?? 0
            for index in 0..<written {
                name += 1
                stored[first + LogIndex(index), default: []].append(object(epoch, name, after: previous))
                previous = name
                if index < kept { committed.append(name) }
            }
        }
        var chain = LogChain(after: 0, crc: 0)
        var found: [UInt32] = []
        while let next = chain.extend(with: (stored[chain.nextN] ?? []).shuffled(using: &random)) {
            found.append(next.crc)
        }
        // Everything committed is in it; behind it at most what the last who wrote had in flight.
        #expect(Array(found.prefix(committed.count)) == committed)
    }
}

private struct TestGenerator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ state >> 29
    }
}
