import TidegateCore
import TidegateTestKit

/// One slot, many owners, one sender that repeats rows until they are acknowledged; stores that lose, delay and hide. No
/// actors, no time: a seeded queue of things that happen.
struct SlotSimulation {
    /// A broken rule, to show that the checks can fail.
    enum Mutant: CaseIterable { case rebuildWhenUnclear, acknowledgeWhenStored, noEpochInKey }

    private struct Content: Equatable {
        var rows: [Int]
        var epoch: Epoch
        var n: LogIndex
        var previousCRC: UInt32
        var crc: UInt32 {
            CRC32C.checksum(Array("\(rows) \(epoch) \(n) \(previousCRC)".utf8))
        }
    }

    private struct Node {
        var core: SlotCore
        var isAlive = true
        var open: [Int] = []
        var sealed: [LogIndex: Content] = [:]
        var tail: Int
    }

    private enum Action {
        case event(SlotCore.Event)
        case write(String, Content, then: SlotCore.Event?)
        case commit(SlotHead, own: Revision, head: Revision, hidden: Bool)
        case read
    }

    private let slot = SlotID(region: "r", index: 0)
    private let keys = CoordinationKeys()
    private let mutant: Mutant?
    private var random: SeededGenerator
    private var model = CoordinationModel()
    private var objects: [String: Content] = [:]
    private var nodes: [Node] = []
    private var queue: [(at: Duration, node: Int, action: Action)] = []
    private var now = Duration.zero
    private var acked: Set<Int> = []
    private var committedN: LogIndex = 0
    private(set) var violations: [String] = []
    var ackedCount: Int { acked.count }

    init(seed: UInt64, mutant: Mutant?) {
        random = SeededGenerator(seed: seed)
        self.mutant = mutant
    }

    mutating func run(steps: Int) throws {
        try claim()
        for _ in 0..<steps {
            switch Int.random(in: 0..<100, using: &random) {
            case 0: try claim()  // from a live owner: the old one is a zombie now
            case 1: nodes[Int.random(in: 0..<nodes.count, using: &random)].isAlive = false
            case 2..<30: send()
            default: try next()
            }
            if !nodes.contains(where: { $0.isAlive && !$0.core.isFenced }) { try claim() }
        }
        try checkLog()
    }

    private mutating func send() {
        // Every owner that believes in itself gets the same rows: their logs must still agree.
        for index in nodes.indices where nodes[index].isAlive && !nodes[index].core.isFenced {
            nodes[index].tail += 1
            nodes[index].open.append(nodes[index].tail)
            handle(.added(bytes: 10), node: index)
        }
    }

    private mutating func next() throws {
        guard let place = queue.indices.min(by: { queue[$0].at < queue[$1].at }) else { return }
        let (at, node, action) = queue.remove(at: place)
        now = max(now, at)
        switch action {
        case .event(let event): handle(event, node: node)
        case .write(let key, let content, let event):
            if let old = objects[key], old != content { violations.append("I4 \(key)") }
            objects[key] = content
            if let event { handle(event, node: node) }
        case .commit(let head, let own, let revision, let hidden):
            let happened = try commit(head, own: own, revision: revision)
            if hidden { break }
            handle(happened.map { .committed(head.n, headRevision: $0) } ?? .notCommitted(head.n), node: node)
        case .read:
            let owner = model.entry(keys.owner(slot))
            let entry = model.entry(keys.head(slot))
            let head: SlotHead? = try entry.map { try DocumentCoding.decode(from: $0) }
            handle(
                .read(
                    ownRevision: owner?.modRevision ?? 0, head: head, headRevision: entry?.modRevision ?? 0),
                node: node)
        }
    }

    private mutating func commit(_ head: SlotHead, own: Revision, revision: Revision) throws -> Revision? {
        let transaction = CoordinationTransaction(
            compare: [
                .modRevision(key: keys.owner(slot), equals: own), .modRevision(key: keys.head(slot), equals: revision),
            ], then: [.put(key: keys.head(slot), value: try DocumentCoding.encode(head))])
        let outcome = try model.commit(transaction) { _ in true }.0
        guard outcome.succeeded else { return nil }
        if head.n != committedN + 1 { violations.append("I2 \(committedN) → \(head.n)") }
        committedN = head.n
        return outcome.revision
    }

    private mutating func handle(_ event: SlotCore.Event, node: Int) {
        guard nodes[node].isAlive else { return }
        if mutant == .rebuildWhenUnclear, case .notCommitted(let n) = event, var content = nodes[node].sealed[n],
            !nodes[node].open.isEmpty
        {
            content.rows += nodes[node].open
            nodes[node].sealed[n] = content
            objects[key(content)] = content
        }
        for effect in nodes[node].core.handle(event, at: now) {
            if Int.random(in: 0..<400, using: &random) == 0 { nodes[node].isAlive = false }  // dies at any effect
            guard nodes[node].isAlive else { return }
            carryOut(effect, node: node)
        }
    }

    private mutating func carryOut(_ effect: SlotCore.Effect, node: Int) {
        let luck = Int.random(in: 0..<10, using: &random)
        switch effect {
        case .seal(let n, let previousCRC):
            let content = Content(
                rows: nodes[node].open, epoch: nodes[node].core.epoch, n: n, previousCRC: previousCRC)
            nodes[node].open = []
            nodes[node].sealed[n] = content
            handle(.sealed(n, length: content.rows.count, crc: content.crc), node: node)
        case .put(let n, _):
            guard let content = nodes[node].sealed[n] else { return violations.append("put of nothing") }
            if luck == 0 { return post(.event(.storeFailed(n)), node) }  // lost before
            if luck == 1 {  // lost after
                post(.event(.storeFailed(n)), node)
                return post(.write(key(content), content, then: nil), node)
            }
            post(.write(key(content), content, then: .stored(n)), node)
            if mutant == .acknowledgeWhenStored { acked.formUnion(content.rows) }
        case .commit(let head, let own, let revision):
            let object = objects.values.contains { $0.crc == head.crc && $0.n == head.n && $0.epoch == head.epoch }
            if mutant == nil, !object { violations.append("I3 commit of \(head.n) before it is stored") }
            if luck < 3 { post(.event(.notCommitted(head.n)), node) }
            if luck > 0 { post(.commit(head, own: own, head: revision, hidden: luck < 3), node) }
        case .readBack: luck == 0 ? post(.event(.readFailed), node) : post(.read, node)
        case .apply(let n, _):
            if n > committedN { violations.append("I7 \(n) applied before its commit") }
            post(.event(luck == 0 ? .applyFailed(n) : .applied(n)), node)
        case .pinned: handle(.unpin, node: node)
        case .acknowledge(let n): acked.formUnion(nodes[node].sealed[n]?.rows ?? [])
        case .wake(let time): queue.append((time, node, .event(.tick)))
        case .fenced: nodes[node].isAlive = false
        }
    }

    private mutating func post(_ action: Action, _ node: Int) {
        let delay = Duration.milliseconds(Int.random(in: 1...300, using: &random))
        queue.append((now + delay, node, action))
    }

    private func key(_ content: Content) -> String {
        keys.logObject(slot, epoch: mutant == .noEpochInKey ? 0 : content.epoch, n: content.n)
    }

    private mutating func claim() throws {
        let reads = try model.commit(SlotClaim.reading(slot, keys: keys)) { _ in true }.0.reads
        let claim = try SlotClaim(
            slot, keys: keys, reads: reads, incarnation: IncarnationID(random: &random), nowMs: 0)
        let outcome = try model.commit(claim.transaction) { _ in true }.0
        guard outcome.succeeded else { return violations.append("a claim without a rival failed") }
        nodes.append(
            Node(
                core: SlotCore(
                    epoch: claim.epoch, ownRevision: outcome.revision, head: claim.head,
                    headRevision: claim.headRevision, settings: SlotSettings()), tail: try checkLog()))
    }

    /// Walks the committed log as recovery does: I3, I5, I6.
    /// - Returns: the newest row.
    @discardableResult
    private mutating func checkLog() throws -> Int {
        guard let entry = model.entry(keys.head(slot)), let snapshot = model.entry(keys.snapshot(slot)) else {
            return 0
        }
        let head: SlotHead = try DocumentCoding.decode(from: entry)
        let lineage: SlotSnapshot = try DocumentCoding.decode(from: snapshot)
        var rows: [Int] = []
        var previousCRC: UInt32 = 0
        for n in 1...head.n {
            let epoch = mutant == .noEpochInKey ? 0 : lineage.epoch(of: n) ?? 0
            guard let content = objects[keys.logObject(slot, epoch: epoch, n: n)] else {
                violations.append("I3 object \(n) is missing")
                return rows.count
            }
            if content.previousCRC != previousCRC { violations.append("I3 chain broken at \(n)") }
            previousCRC = content.crc
            rows += content.rows
        }
        if previousCRC != head.crc { violations.append("I3 the head is another object") }
        if rows != Array(1..<(rows.count + 1)) { violations.append("I6 rows out of order or doubled") }
        if !acked.isSubset(of: rows) { violations.append("I5 acknowledged rows are lost") }
        return rows.count
    }
}
