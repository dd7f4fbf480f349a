import Testing
import TidegateCore

@Suite("When rows are sealed and rewritten")
struct SealCoreTests {
    private func state(hot: Int64 = 0, bytes: Int64 = 0, _ segments: [SealingState.Segment] = []) -> SealingState {
        var state = SealingState()
        (state.hotRows, state.hotBytes, state.segments) = (hot, bytes, segments)
        return state
    }

    private func full(_ key: String, deleted: Int64 = 0, change: UInt64? = nil) -> SealingState.Segment {
        SealingState.Segment(key: key, rows: 50_000, live: 50_000 - deleted, change: change, bytes: 20 << 20)
    }

    @Test("sealing waits for a whole segment beside the rows that stay hot, or for many bytes")
    func seal() {
        var core = SealCore()
        #expect(core.observe(state(hot: 74_999), at: .zero) == nil)
        #expect(core.observe(state(hot: 199, bytes: 1 << 40), at: .zero) == nil)
        #expect(core.observe(state(hot: 200, bytes: 96 << 20), at: .zero) == .seal)
        // One at a time.
        #expect(core.observe(state(hot: 75_000), at: .zero) == nil)
        core.finished(succeeded: true, at: .zero)
        #expect(core.observe(state(hot: 75_000), at: .zero) == .seal)
    }

    @Test("a failure is tried again, later each time, never more than five minutes later")
    func failures() {
        var core = SealCore()
        var now = Duration.zero
        for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 256] {
            #expect(core.observe(state(hot: 75_000), at: now) == .seal)
            core.finished(succeeded: false, at: now)
            #expect(core.observe(state(hot: 75_000), at: now + .seconds(wait) - .milliseconds(1)) == nil)
            now += .seconds(wait)
        }
    }

    @Test("what is deleted leaves a segment when it is much, or after half a day")
    func stale() {
        var core = SealCore()
        let few = full("b", deleted: 1, change: 7)
        #expect(core.observe(state([full("a"), few]), at: .zero) == nil)
        #expect(core.observe(state([full("a"), few]), at: .seconds(12 * 3_600 - 1)) == nil)
        // A later change does not put the first one off.
        let later = full("b", deleted: 2, change: 9)
        #expect(core.observe(state([full("a"), later]), at: .seconds(12 * 3_600)) == .compact(["b"]))
        core.finished(succeeded: true, at: .zero)
        #expect(core.observe(state([full("a", deleted: 10_001, change: 3)]), at: .zero) == .compact(["a"]))
    }

    @Test("what was deleted half a day ago goes before rows are sealed, unless that has just failed")
    func overdue() {
        var core = SealCore()
        let busy = state(hot: 75_000, [full("a"), full("b", deleted: 1, change: 7)])
        let late = Duration.seconds(12 * 3_600)
        #expect(core.observe(busy, at: .zero) == .seal)
        core.finished(succeeded: true, at: .zero)
        #expect(core.observe(busy, at: late) == .compact(["b"]))
        core.finished(succeeded: false, at: late)
        #expect(core.observe(busy, at: late + .seconds(1)) == .seal)
        core.finished(succeeded: true, at: late + .seconds(1))
        #expect(core.observe(busy, at: late + .seconds(1)) == .compact(["b"]))
    }

    @Test("neighbours that fit together are merged once there are three, never more rows than one segment takes")
    func merge() {
        var core = SealCore()
        func small(_ key: String, _ rows: Int64 = 10_000) -> SealingState.Segment {
            SealingState.Segment(key: key, rows: rows, live: rows, bytes: 4 << 20)
        }
        #expect(core.observe(state([small("a"), small("b"), full("c"), small("d")]), at: .zero) == nil)
        #expect(
            core.observe(state([full("z"), small("a"), small("b"), small("c")]), at: .zero)
                == .compact(["a", "b", "c"]))
        core.finished(succeeded: true, at: .zero)
        let many = (0..<20).map { small("s\($0)", 100) }
        #expect(core.observe(state(many), at: .zero) == .compact((0..<8).map { "s\($0)" }))
        core.finished(succeeded: true, at: .zero)
        let large = (0..<4).map { small("l\($0)", 20_000) }
        #expect(core.observe(state(large), at: .zero) == nil)
    }
}
