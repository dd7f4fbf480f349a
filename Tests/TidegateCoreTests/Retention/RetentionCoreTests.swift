import Testing
import TidegateCore

@Suite("Retention by age")
struct RetentionCoreTests {
    private let day = RetentionCore.dayMs

    @Test("nothing goes in an owner's first sweep, nor in one after a jump of the clock")
    func clock() {
        var core = RetentionCore()
        let sweeps: [(wallMs: Int64, at: Int, isTrusted: Bool)] = [
            (1_000_000, 5, false), (1_900_000, 905, true),
            (1_900_000 + 1_199_000, 1_805, true),  // five minutes are no jump
            (10 * 365 * day, 2_705, false),
            (10 * 365 * day + 900_000, 3_605, true),  // it is the time of day now
            (5_000_000, 4_505, false), (.max, 5_405, false), (.min, 6_305, false),
        ]
        for sweep in sweeps {
            let isTrusted = core.begin(wallMs: sweep.wallMs, at: .seconds(sweep.at))
            #expect(isTrusted == sweep.isTrusted, "at \(sweep.at)")
        }
    }

    @Test("a limit is whole days before now; sealed rows have half a day more; nothing overflows")
    func limits() {
        let core = RetentionCore()
        let limit = core.limit(days: 30, wallMs: 100 * day)
        #expect(limit?.beforeMs == 70 * day && limit?.sealedBeforeMs == 70 * day - day / 2)
        #expect(limit?.possibleMs == 100 * day + 300_000)
        for days in [Int.min, -1, 0, 101, 100, .max] { #expect(core.limit(days: days, wallMs: 100 * day) == nil) }
        #expect(core.limit(days: 1, wallMs: .min) == nil)
    }
}
