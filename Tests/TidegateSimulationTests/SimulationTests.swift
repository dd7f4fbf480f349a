import Testing
import TidegateTestKit

@Suite("The protocol in a simulated world", .serialized)
struct SimulationTests {
    /// What `make test` spends; `make simulate` runs as many as one likes.
    private static let seeds: UInt64 = 2_000

    @Test("keeps every invariant and comes to rest, and meets every situation it knows", .timeLimit(.minutes(10)))
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
    func mutants(mutant: Mutant) async {
        // The slowest took 186 seeds when this was written.
        let survives = await onThread {
            (UInt64(0)..<1_500).allSatisfy { seed in
                Simulation(seed: seed, mutant: mutant, scenario: mutant.scenario).run().violation == nil
            }
        }
        #expect(!survives, "'\(mutant.rawValue)' survives: make simulate SEEDS=1500 MUTANT=\(mutant.rawValue)")
    }

    @Test("runs a seed twice alike")
    func determinism() async {
        for seed in UInt64(0)..<5 {
            let prints = await onThread { (0..<2).map { _ in Simulation(seed: seed).run().fingerprint } }
            #expect(prints[0] == prints[1])
        }
    }

    /// Half of the seeds on each of two threads.
    /// - Returns: how often each situation was met.
    private func run(_ count: UInt64, _ scenario: Scenario) async -> [Coverage: Int] {
        async let even = onThread { Tally(stride(from: 0, to: count, by: 2), scenario) }
        async let odd = onThread { Tally(stride(from: 1, to: count, by: 2), scenario) }
        let tallies = await [even, odd]
        for violation in tallies.flatMap(\.violations) { Issue.record("\(violation)") }
        return tallies[0].covered.merging(tallies[1].covered) { $0 + $1 }
    }
}

/// What some runs came to.
private struct Tally: Sendable {
    var violations: [Violation] = []
    var covered: [Coverage: Int] = [:]

    init(_ seeds: StrideTo<UInt64>, _ scenario: Scenario) {
        for seed in seeds {
            let report = Simulation(seed: seed, scenario: scenario).run()
            covered.merge(report.covered) { $0 + $1 }
            if let violation = report.violation { violations.append(violation) }
        }
    }
}
