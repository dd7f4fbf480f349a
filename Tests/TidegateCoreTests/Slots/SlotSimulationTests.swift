import Testing
import TidegateCore

@Suite("A slot under faulty stores and rival owners")
struct SlotSimulationTests {
    @Test("loses no acknowledged row, doubles none and shows none early", arguments: UInt64(0)..<100)
    func safety(seed: UInt64) throws {
        var simulation = SlotSimulation(seed: seed, mutant: nil)
        try simulation.run(steps: 3_000)
        #expect(simulation.violations.isEmpty, "seed \(seed)")
        #expect(simulation.ackedCount > 0)
    }

    @Test("is seen to fail when a rule is broken", arguments: SlotSimulation.Mutant.allCases)
    func mutants(mutant: SlotSimulation.Mutant) throws {
        var isCaught = false
        for seed in UInt64(0)..<50 where !isCaught {
            var simulation = SlotSimulation(seed: seed, mutant: mutant)
            try simulation.run(steps: 3_000)
            isCaught = !simulation.violations.isEmpty
        }
        #expect(isCaught)
    }
}
