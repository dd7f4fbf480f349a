package import TidegateCore

/// Many members of a gossip cluster in one process: real cores and real datagrams, a network and a clock that a seed
/// decides. Nothing here knows the protocol; it carries bytes, loses them, and asks what the members believe.
package struct SwimWorld {
    package struct Network: Sendable {
        /// Of 1: lost datagrams.
        package var loss = 0.0
        package var delayMin: Duration = .milliseconds(1)
        package var delayMax: Duration = .milliseconds(5)
        package init() {}
    }

    private struct Happening {
        enum What { case wake(Int, UInt64), datagram([UInt8], to: Int, from: Int) }
        var at: Duration
        var order: UInt64
        var what: What
    }

    package private(set) var now: Duration = .zero
    package private(set) var cores: [SwimCore] = []
    /// What each member reported: when, and how the other looked then.
    package private(set) var changes: [(at: Duration, observer: Int, member: Member)] = []
    package private(set) var bytesSent: [Int] = []
    package private(set) var largestDatagram = 0
    package private(set) var hasLeft: Set<Int> = []
    package var network = Network()
    /// Stopped dead: sees and says nothing, for ever or until `restart`.
    package private(set) var dead: Set<Int> = []
    private var frozenUntil: [Int: Duration] = [:]
    /// Extra time that a member needs to look at a datagram: a busy machine.
    package var slowness: [Int: Duration] = [:]
    /// Members of different groups cannot reach one another.
    package var group: [Int: Int] = [:]
    private var random: SeededGenerator
    private var queue: [Happening] = []  // a binary heap by (at, order)
    private var order: UInt64 = 0
    private var wakes: [UInt64] = []
    private let settings: SwimSettings

    package init(seed: UInt64, members: Int, settings: SwimSettings = SwimSettings()) {
        random = SeededGenerator(seed: seed)
        self.settings = settings
        for index in 0..<members { add(index) }
    }

    private mutating func add(_ index: Int) {
        cores.append(core(index))
        bytesSent.append(0)
        wakes.append(0)
        schedule(index)
    }

    private mutating func core(_ index: Int) -> SwimCore {
        let profile = MemberProfile(
            process: IncarnationID(random: &random), region: "r\(index % 3)", zone: "z",
            gossipAddress: "\(index)", peerAddress: "\(index)", phase: .active)
        return SwimCore(
            own: Member(nodeID: "n\(index)", profile: profile), seeds: ["0", "1"], settings: settings, at: now)
    }

    // MARK: What befalls members

    package mutating func kill(_ index: Int) { dead.insert(index) }

    /// A new process of the same node: it remembers nothing.
    package mutating func restart(_ index: Int) {
        dead.remove(index)
        cores[index] = core(index)
        schedule(index)
    }

    /// Datagrams wait in its socket; it sees them, and the time, afterwards.
    package mutating func freeze(_ index: Int, for duration: Duration) { frozenUntil[index] = now + duration }

    package mutating func tell(_ index: Int, _ event: SwimCore.Event) { handle(event, by: index) }

    /// How `observer` sees `index`.
    package func status(of index: Int, by observer: Int) -> Member.Status? {
        cores[observer].member("n\(index)")?.status
    }

    /// Everybody who runs sees everybody who runs alive, and nobody else.
    package var isConverged: Bool {
        let running = cores.indices.filter { !dead.contains($0) && !hasLeft.contains($0) }
        return running.allSatisfy { observer in
            let alive = Set(cores[observer].members.filter { $0.status == .alive }.map(\.nodeID))
            return alive == Set(running.filter { $0 != observer }.map { "n\($0)" })
        }
    }

    // MARK: Time

    package mutating func run(for duration: Duration) {
        let end = now + duration
        while let next = queue.first, next.at <= end {
            popFirst()
            now = max(now, next.at)
            carryOut(next)
        }
        now = end
    }

    private mutating func carryOut(_ happening: Happening) {
        switch happening.what {
        case .wake(let index, let number):
            guard wakes[index] == number, !dead.contains(index), !hasLeft.contains(index) else { return }
            if waits(happening, index) { return }
            handle(.tick, by: index)
        case .datagram(let bytes, let index, let sender):
            guard !dead.contains(index), !hasLeft.contains(index), group[index] == group[sender] else { return }
            if waits(happening, index) { return }
            handle(.received(bytes), by: index)
        }
    }

    private mutating func waits(_ happening: Happening, _ index: Int) -> Bool {
        guard let until = frozenUntil[index] else { return false }
        guard now < until else {
            frozenUntil[index] = nil
            return false
        }
        push(until, happening.what)
        return true
    }

    private mutating func handle(_ event: SwimCore.Event, by index: Int) {
        for effect in cores[index].handle(event, at: now, random: &random) {
            switch effect {
            case .send(let bytes, let address): send(bytes, to: address, from: index)
            case .changed(let member): changes.append((now, index, member))
            case .conflict: break
            case .hasLeft: hasLeft.insert(index)
            }
        }
        schedule(index)
    }

    private mutating func send(_ bytes: [UInt8], to address: String, from sender: Int) {
        bytesSent[sender] += bytes.count
        largestDatagram = max(largestDatagram, bytes.count)
        guard let index = Int(address), cores.indices.contains(index) else { return }
        guard Double.random(in: 0..<1, using: &random) >= network.loss else { return }
        let spread = network.delayMax - network.delayMin
        let delay = network.delayMin + spread * Double.random(in: 0..<1, using: &random)
        push(now + delay + (slowness[index] ?? .zero), .datagram(bytes, to: index, from: sender))
    }

    private mutating func schedule(_ index: Int) {
        wakes[index] += 1
        push(max(now, cores[index].wake), .wake(index, wakes[index]))
    }

    // MARK: The heap

    private mutating func push(_ at: Duration, _ what: Happening.What) {
        order += 1
        queue.append(Happening(at: at, order: order, what: what))
        var child = queue.count - 1
        while child > 0, isBefore(child, (child - 1) / 2) {
            queue.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    private mutating func popFirst() {
        queue.swapAt(0, queue.count - 1)
        queue.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < queue.count && isBefore(child, least) {
                least = child
            }
            guard least != parent else { return }
            queue.swapAt(parent, least)
            parent = least
        }
    }

    private func isBefore(_ one: Int, _ other: Int) -> Bool {
        (queue[one].at, queue[one].order) < (queue[other].at, queue[other].order)
    }
}
