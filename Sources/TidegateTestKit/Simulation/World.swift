internal import TidegateCore

/// One world on one thread: nodes with the real cores, the stores and the network between them, and one queue of what
/// happens when. A seed decides everything.
final class World {
    let seed: UInt64
    let mutant: Mutant?
    let scenario: Scenario
    let keys = CoordinationKeys()
    let isTracing: Bool
    var random: SeededGenerator
    var faults: FaultPlan
    /// Microseconds since the beginning.
    private(set) var now = 0
    private(set) var steps = 0
    private(set) var violation: Violation?
    private(set) var trace: [String] = []
    private(set) var covered: [Coverage: Int] = [:]
    private var queue = EventQueue()
    private var deferred: [Int: [EventQueue.Item]] = [:]
    private(set) lazy var coordination = SimulatedCoordination(self)
    private(set) lazy var objects = SimulatedObjects(self)
    private(set) lazy var network = SimulatedNetwork(self)
    private(set) lazy var oracle = Oracle(self)
    private(set) lazy var tenants = Tenants(self)
    private(set) var nodes: [SimulatedNode] = []
    var settings = WorldSettings()
    /// Faults are over: from here on everything has to come to rest.
    var isHealed = false
    /// Objects may vanish from the store in this run (A8).
    var canLoseObjects = false
    /// Rows may come under two streams, and the databases know only so long which they hold.
    var isForked: Bool { scenario == .clonedOutbox }
    /// The run has shown what its scenario was for.
    var isOver = false
    private(set) lazy var ownerKeys = Dictionary(
        uniqueKeysWithValues: (0..<settings.slots).map { (keys.owner(slotID($0)), $0) })
    var nodeOfIncarnation: [String: Int] = [:]
    var rowCount: UInt64 = 0
    var rowGateway: [RecordID: GatewayUID] = [:]
    /// Rows that an outbox holds, or held until they were acknowledged.
    var captured: [RecordID: (node: Int, uid: GatewayUID)] = [:]
    var recent: [RecordID] = []
    var edits = 0
    var seen: [Front: LogPosition] = [:]

    init(seed: UInt64, mutant: Mutant?, scenario: Scenario, isTracing: Bool) {
        self.seed = seed
        self.mutant = mutant
        self.scenario = scenario
        self.isTracing = isTracing
        random = SeededGenerator(seed: seed &* 0x9E37_79B9_7F4A_7C15 &+ 0x5851_F42D_4C95_7F2D)
        faults = FaultPlan.none
    }

    func addNodes(_ count: Int) {
        for index in 0..<count { nodes.append(SimulatedNode(index, self)) }
    }

    // MARK: - Chance

    func roll(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }
    func between(_ least: Int, _ most: Int) -> Int { least + roll(most - least + 1) }
    /// - Parameter chance: per thousand.
    func happens(_ chance: Int) -> Bool { chance > 0 && roll(1_000) < chance }

    // MARK: - Time

    /// - Parameter owner: the process whose event it is: it does not outlive it, and waits while it is paused.
    func after(_ delay: Int, of owner: SimulatedNode? = nil, _ action: @escaping () -> Void) {
        queue.push(at: now + max(delay, 0), owner: owner.map { ($0.index, $0.life) }, action)
    }

    /// Works through what happens until `end`, or until a rule is broken.
    /// - Returns: whether the time was reached without a violation.
    func run(until end: Int) -> Bool {
        while violation == nil, !isOver, let item = queue.pop() {
            if item.at > end {
                queue.push(at: item.at, owner: item.owner, item.action)
                now = end
                return true
            }
            now = max(now, item.at)
            if let owner = item.owner {
                let node = nodes[owner.node]
                guard node.life == owner.life else { continue }
                if node.pausedUntil > now {
                    deferred[owner.node, default: []].append(item)
                    continue
                }
            }
            steps += 1
            item.action()
        }
        return violation == nil && !isOver
    }

    /// What should have happened while the node stood still happens now.
    func wake(_ node: SimulatedNode) {
        guard node.pausedUntil > 0 else { return }
        note("node \(node.index) wakes")
        for slot in node.hosts.keys where (node.hosts[slot]?.epoch ?? 0) < (oracle.slots[slot].owner?.epoch ?? 0) {
            cover(.zombieWoke)
        }
        node.pausedUntil = 0
        for item in deferred.removeValue(forKey: node.index) ?? [] {
            queue.push(at: now, owner: item.owner, item.action)
        }
    }

    /// Lets go of everything that holds everything else.
    func end() {
        queue.removeAll()
        deferred = [:]
    }

    // MARK: - What is told

    func violate(_ invariant: String, _ message: @autoclosure () -> String) {
        guard violation == nil else { return }
        violation = Violation(
            invariant: invariant, message: message(), seed: seed, mutant: mutant, scenario: scenario, step: steps)
        note("VIOLATION \(invariant): \(message())")
    }

    /// Notes that the run has reached a situation.
    func cover(_ situation: Coverage) { covered[situation, default: 0] += 1 }

    func note(_ text: @autoclosure () -> String) {
        guard isTracing else { return }
        trace.append("\(now / 1_000).\(now % 1_000 / 100) ms #\(steps) \(text())")
        if trace.count > 4_000 { trace.removeFirst(2_000) }
    }
}

/// A broken rule: which, and where to see it again.
package struct Violation: Sendable, CustomStringConvertible {
    package let invariant: String
    package let message: String
    package let seed: UInt64
    package let mutant: Mutant?
    package let scenario: Scenario
    package let step: Int

    package var description: String { "\(invariant): \(message) (seed \(seed), step \(step))\n  replay: \(replay)" }
    package var replay: String {
        "make simulate SEED=\(seed)" + (mutant.map { " MUTANT=\($0.rawValue)" } ?? "")
            + (scenario == .standard ? "" : " SCENARIO=\(scenario.rawValue)")
    }
}

/// Sizes of a run.
struct WorldSettings {
    var slots = 2
    var slot = SlotSettings()
    var drain = DrainSettings()
    var allowance = AllowanceCore.Settings()
    var leaseTime = 10_000_000
    var keepAlive = 2_500_000
    var claimCheck = 1_500_000
    var sweep = 2_500_000
    var seal = SealSettings()

    init() {
        (seal.segmentRows, seal.hotRowsKept, seal.mergedMax) = (5, 2, 4)
        (seal.deletedShareMax, seal.changeAgeMax) = (0.4, .seconds(6))
        slot.holeAfter = .seconds(20)
        slot.snapshotObjects = 6
        slot.snapshotAge = .seconds(15)
        slot.replayedMax = 4
        slot.recoveryReadsMax = 4
        drain.retryMax = .seconds(1)
        drain.batchRecordsMax = 4
        drain.linger = .milliseconds(20)
    }
}
