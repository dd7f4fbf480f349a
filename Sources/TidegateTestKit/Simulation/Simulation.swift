internal import TidegateCore

/// One run of the world: a while of clients and faults, then peace, in which everything has to come to rest.
package struct Simulation {
    package struct Report: Sendable {
        package var violation: Violation?
        package var trace: [String]
        package var steps: Int
        package var commits: Int
        package var acked: Int
        package var epochs: Int
        package var reads: Int
        package var virtualSeconds: Int
        /// Equal for equal runs: two runs of one seed that differ here are not replays.
        package var fingerprint: UInt64
        package var covered: [Coverage: Int]
    }

    package let seed: UInt64
    package var mutant: Mutant?
    package var scenario = Scenario.standard
    package var isTracing = false

    package init(seed: UInt64, mutant: Mutant? = nil, scenario: Scenario = .standard, isTracing: Bool = false) {
        self.scenario = scenario
        self.seed = seed
        self.mutant = mutant
        self.isTracing = isTracing
    }

    package func run() -> Report {
        let world = World(seed: seed, mutant: mutant, scenario: scenario, isTracing: isTracing)
        defer { world.end() }
        world.found()
        let end = world.between(8, 40) * 1_000_000
        world.faults = FaultPlan(random: &world.random)
        Workload(world: world, end: end).schedule()
        if world.run(until: end) {
            world.heal()
            settle(world)
        }
        return Report(
            violation: world.violation, trace: world.trace, steps: world.steps, commits: world.oracle.commits,
            acked: world.oracle.acked.count, epochs: world.oracle.slots.reduce(0) { $0 + $1.incarnations.count },
            reads: world.oracle.reads, virtualSeconds: world.now / 1_000_000,
            fingerprint: mix(UInt64(world.steps), UInt64(world.now), world.random.next()), covered: world.covered)
    }

    /// I18: with everything up, every slot gets an owner and every outbox empties.
    private func settle(_ world: World) {
        let deadline = world.now + 180_000_000
        while world.run(until: world.now + 1_000_000) {
            guard let unrest = world.unrest() else { return world.checkEnd() }
            if world.now >= deadline { return world.violate("I18", "no rest 180 s after the last fault: \(unrest)") }
        }
    }
}
