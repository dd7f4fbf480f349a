import Testing
import TidegateCore
import TidegateTestKit

@Suite("Datagrams taken once")
struct ReplayGuardTests {
    private static let now: Int64 = 1_767_225_600_000

    @Test("each counter of a known sender is taken once, in any order inside the window", arguments: UInt64(0)..<20)
    func oracle(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var guarded = ReplayGuard(window: 128)
        var seen: Set<UInt64> = []
        var highest: UInt64 = 1_000
        #expect(guarded.take(sender: 7, counter: highest, sent: Self.now, at: Self.now) == .new)
        for _ in 0..<5_000 {
            // Mostly near the top, at times far ahead, at times long past.
            let spread: Int64 = Int.random(in: 0..<50, using: &random) == 0 ? 400 : 20
            let step = Int64.random(in: -spread...spread, using: &random)
            let counter = UInt64(max(1, Int64(highest) + step))
            let isNew = counter > highest || (highest - counter < 128 && counter > 1_000 && !seen.contains(counter))
            let verdict = guarded.take(sender: 7, counter: counter, sent: Self.now, at: Self.now)
            #expect(verdict == (isNew ? .new : .replayed), "counter \(counter), highest \(highest)")
            if isNew { seen.insert(counter) }
            highest = max(highest, counter)
        }
        #expect(seen.count > 500)
    }

    @Test("what came before the first word heard of a sender is past")
    func first() {
        var guarded = ReplayGuard()
        #expect(guarded.take(sender: 1, counter: 50, sent: Self.now, at: Self.now) == .new)
        #expect(guarded.take(sender: 1, counter: 49, sent: Self.now, at: Self.now) == .replayed)
        #expect(guarded.take(sender: 1, counter: 51, sent: Self.now, at: Self.now) == .new)
    }

    @Test(
        "a stranger's clock must be near ours, an acquaintance's need not",
        arguments: [-60_001, -60_000, 0, 60_000, 60_001, .min, .max] as [Int64])
    func freshness(skew: Int64) {
        var guarded = ReplayGuard(freshness: .seconds(60))
        let sent = Self.now.addingReportingOverflow(skew).overflow ? skew : Self.now + skew
        let isFresh = (-60_000...60_000).contains(skew)
        #expect(guarded.take(sender: 1, counter: 5, sent: sent, at: Self.now) == (isFresh ? .new : .stale))
        guard !isFresh else { return }
        #expect(guarded.take(sender: 1, counter: 6, sent: Self.now, at: Self.now) == .new)
        #expect(guarded.take(sender: 1, counter: 7, sent: sent, at: Self.now) == .new)
    }

    @Test("nobody is forgotten while something taken of it would still be fresh", arguments: UInt64(0)..<10)
    func forgetting(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var guarded = ReplayGuard(sendersMax: 8, freshness: .seconds(10))
        var log: [(sender: UInt64, counter: UInt64, sent: Int64)] = []
        var now = Self.now
        var crowded = 0
        for _ in 0..<2_000 {
            now += Int64.random(in: 0...1_500, using: &random)
            let sender = UInt64.random(in: 0..<24, using: &random)
            let sent = now + Int64.random(in: -2_000...2_000, using: &random)
            let counter = UInt64(log.count + 1)
            switch guarded.take(sender: sender, counter: counter, sent: sent, at: now) {
            case .new: log.append((sender, counter, sent))
            case .full: crowded += 1
            case .stale, .replayed: Issue.record("fresh and never seen")
            }
            #expect(guarded.count <= 8)
            if let old = log.randomElement(using: &random) {
                #expect(guarded.take(sender: old.sender, counter: old.counter, sent: old.sent, at: now) != .new)
            }
        }
        #expect(log.count > 500)
        #expect(crowded > 0)
    }
}
