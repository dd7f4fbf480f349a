import Foundation
import TidegateTestKit

/// Runs seeds of the simulator: `simulate [--seed N] [--seeds COUNT] [--from N] [--jobs J] [--mutant NAME] [--scenario NAME] [--coverage] [--go-on]`,
/// or `--gossip [--members N] [--seed S]` (GossipFigures).
/// A single seed prints the last of its events; many print their progress and the replay command of the first that fails.
@main
struct Simulate {
    static func main() {
        var options = Options(CommandLine.arguments.dropFirst())
        if options.isGossip { return GossipFigures(members: options.members, seed: options.seed ?? 0).run() }
        if let seed = options.seed { return replay(seed, options) }
        if options.jobs < 1 { options.jobs = 1 }
        run(options)
    }

    private static func replay(_ seed: UInt64, _ options: Options) {
        let report = Simulation(
            seed: seed, mutant: options.mutant, scenario: options.scenario, isTracing: true
        ).run()
        for line in report.trace.suffix(options.lines) { print(line) }
        print(
            "seed \(seed): \(report.steps) steps, \(report.commits) commits, \(report.epochs) epochs, "
                + "\(report.acked) rows, \(report.reads) reads, \(report.virtualSeconds) s")
        guard let violation = report.violation else { return print("no invariant is broken") }
        print(violation)
        exit(1)
    }

    private static func run(_ options: Options) {
        let started = Date()
        let tally = Tally(options)
        DispatchQueue.concurrentPerform(iterations: options.jobs) { _ in
            while let seed = tally.next() {
                tally.add(Simulation(seed: seed, mutant: options.mutant, scenario: options.scenario).run())
            }
        }
        tally.finish(since: started)
    }
}

struct Options {
    var seed: UInt64?
    var from: UInt64 = 0
    var seeds: UInt64 = 1_000
    var jobs = 2
    var lines = 60
    var goesOn = false
    var mutant: Mutant?
    var scenario = Scenario.standard
    var showsCoverage = false
    var isGossip = false
    var members = 300

    init(_ arguments: ArraySlice<String>) {
        var rest = arguments
        while let name = rest.popFirst() {
            if name == "--go-on" {
                goesOn = true
                continue
            }
            if name == "--coverage" {
                showsCoverage = true
                continue
            }
            if name == "--gossip" {
                isGossip = true
                continue
            }
            let value = rest.popFirst() ?? ""
            switch name {
            case "--seed": seed = UInt64(value)
            case "--from": from = UInt64(value) ?? 0
            case "--seeds": seeds = UInt64(value) ?? seeds
            case "--jobs": jobs = Int(value) ?? jobs
            case "--members": members = max(3, Int(value) ?? members)
            case "--lines": lines = Int(value) ?? lines
            case "--mutant":
                guard let found = Mutant(rawValue: value) else {
                    print(
                        "There is no mutant '\(value)'. There are: \(Mutant.allCases.map(\.rawValue).joined(separator: " "))"
                    )
                    exit(2)
                }
                mutant = found
            case "--scenario":
                guard let found = Scenario(rawValue: value) else {
                    print("There is no scenario '\(value)'.")
                    exit(2)
                }
                scenario = found
            default:
                print("unknown option \(name)")
                exit(2)
            }
        }
    }
}

/// What all runs came to. Safe because every field is guarded by `lock`.
final class Tally: @unchecked Sendable {
    private let lock = NSLock()
    private let options: Options
    private var given: UInt64 = 0
    private var done: UInt64 = 0
    private var steps = 0
    private var commits = 0
    private var acked = 0
    private var fingerprint: UInt64 = 0
    private var covered: [Coverage: Int] = [:]
    private var violations: [Violation] = []
    private var printed = Date()

    init(_ options: Options) { self.options = options }

    func next() -> UInt64? {
        lock.withLock {
            guard given < options.seeds, violations.isEmpty || options.goesOn else { return nil }
            given += 1
            return options.from + given - 1
        }
    }

    func add(_ report: Simulation.Report) {
        lock.withLock {
            done += 1
            steps += report.steps
            commits += report.commits
            acked += report.acked
            fingerprint ^= report.fingerprint
            for (situation, count) in report.covered { covered[situation, default: 0] += count }
            if let violation = report.violation {
                violations.append(violation)
                print("VIOLATION \(violation)")
            }
            guard Date().timeIntervalSince(printed) > 5 else { return }
            printed = Date()
            print(
                "\(done) of \(options.seeds) seeds, \(steps) steps, \(commits) commits, \(violations.count) violations")
        }
    }

    func finish(since start: Date) {
        let seconds = Date().timeIntervalSince(start)
        print(
            "\(done) seeds in \(String(format: "%.1f", seconds)) s, \(steps) steps, \(commits) commits, "
                + "\(acked) rows, \(violations.count) violations, fingerprint \(String(fingerprint, radix: 16))")
        if options.showsCoverage {
            for situation in Coverage.allCases { print("  \(situation.rawValue): \(covered[situation] ?? 0)") }
        }
        if !violations.isEmpty { exit(1) }
    }
}
