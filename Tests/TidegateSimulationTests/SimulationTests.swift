import Synchronization
import Testing
import TidegateTestKit

@Suite("The protocol in a simulated world")
struct SimulationTests {
    /// What `make test` spends; `make simulate` runs as many as one likes.
    private static let seeds: UInt64 = 2_000
    private static let threads = 2

    @Test("keeps every invariant and comes to rest, and meets every situation it knows", .timeLimit(.minutes(5)))
    func standard() async {
        let covered = await run(Self.seeds, .standard)
        for situation in Coverage.allCases where situation.scenario == .standard {
            #expect(covered[situation] != nil, "no run has met '\(situation.rawValue)': its rules were not tested")
        }
    }

    @Test("names a lost object, and recovers everything else")
    func lostObject() async {
        let covered = await run(150, .lostObject)
        #expect(covered[.hole] ?? 0 > 0)
    }

    @Test("goes on when two outboxes use one stream")
    func clonedOutbox() async {
        let covered = await run(150, .clonedOutbox)
        #expect(covered[.fork] ?? 0 > 0)
    }

    @Test("notices every rule that is broken on purpose", arguments: Mutant.allCases)
    func mutants(mutant: Mutant) {
        // The slowest took 120 seeds when this was written.
        for seed in UInt64(0)..<1_500 {
            let report = Simulation(seed: seed, mutant: mutant, scenario: mutant.scenario).run()
            guard report.violation == nil else { return }
        }
        Issue.record("mutant '\(mutant.rawValue)' survives: make simulate SEEDS=1500 MUTANT=\(mutant.rawValue)")
    }

    @Test("runs a seed twice alike")
    func determinism() {
        for seed in UInt64(0)..<5 {
            let runs = (0..<2).map { _ in Simulation(seed: seed).run() }
            #expect(runs[0].fingerprint == runs[1].fingerprint)
        }
    }

    /// - Returns: how often each situation was met.
    private func run(_ count: UInt64, _ scenario: Scenario) async -> [Coverage: Int] {
        let tally = Tally(count: count)
        await withDiscardingTaskGroup { group in
            for _ in 0..<Self.threads {
                group.addTask {
                    while let seed = tally.next() {
                        let report = Simulation(seed: seed, scenario: scenario).run()
                        tally.add(report)
                        if let violation = report.violation { Issue.record("\(violation)") }
                        await Task.yield()
                    }
                }
            }
        }
        return tally.covered
    }
}

/// Seeds that are left, and what the runs have met.
private final class Tally: Sendable {
    private let state = Mutex<(next: UInt64, covered: [Coverage: Int])>((0, [:]))
    private let count: UInt64

    init(count: UInt64) { self.count = count }

    var covered: [Coverage: Int] { state.withLock { $0.covered } }

    func next() -> UInt64? {
        state.withLock { state in
            guard state.next < count else { return nil }
            state.next += 1
            return state.next - 1
        }
    }

    func add(_ report: Simulation.Report) { state.withLock { $0.covered.merge(report.covered) { $0 + $1 } } }
}
