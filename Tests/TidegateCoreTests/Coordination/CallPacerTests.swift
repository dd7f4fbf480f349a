import Testing
import TidegateCore

@Suite("Turns at the coordination store")
struct CallPacerTests {
    /// What a node has by default.
    private var pacer = CallPacer(perSecond: 50, burst: 100, waitMax: .seconds(2))

    @Test("a full bucket is empty after its burst, and the next ones wait in the order they came")
    mutating func burst() {
        for _ in 0..<100 { #expect(pacer.turn(at: .seconds(5)) == .now) }
        for number in 1...100 { #expect(pacer.turn(at: .seconds(5)) == .after(.milliseconds(20 * number))) }
        #expect(pacer.turn(at: .seconds(5)) == .refused)
        // Who is refused takes nothing.
        #expect(pacer.turn(at: .seconds(5) + .milliseconds(20)) == .after(.seconds(2)))
        #expect(pacer.turn(at: .seconds(20)) == .now)
    }

    /// Over any span, no more than the burst and what comes in that time.
    @Test("never more than burst and rate allow, however the calls come", arguments: 1...20 as ClosedRange<UInt64>)
    mutating func bound(seed: UInt64) {
        var state = seed
        var (now, turns) = (Duration.zero, [Duration]())
        for _ in 0..<2_000 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            now += .milliseconds(Int64(state >> 60))
            switch pacer.turn(at: now) {
            case .now: turns.append(now)
            case .after(let pause): turns.append(now + pause)
            case .refused: break
            }
        }
        #expect(turns == turns.sorted())
        for (index, turn) in turns.enumerated() where index >= 100 {
            #expect(turn - turns[index - 100] >= .milliseconds(20))
        }
    }

    /// A flush each 50 ms commits all of a node's slots in one transaction: 20 a second, beside a claim of 16 slots (a read
    /// and a write each) and what the node writes at start.
    @Test("what a node needs to insert and to start never waits")
    mutating func need() {
        for _ in 0..<(16 * 2 + 10) { #expect(pacer.turn(at: .zero) == .now) }
        for flush in 0..<20 * 60 { #expect(pacer.turn(at: .milliseconds(50 * flush)) == .now) }
    }
}
