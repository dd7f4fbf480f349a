/// Which slots this node claims, and when (protocol §5). Liveness only: a claim at the wrong moment costs somebody a fence,
/// never a row.
///
/// Rules that it keeps:
/// - A slot is a candidate when nobody holds it, when its holder's incarnation is gone, or when two others vote against
///   the holder and it does not answer this node either.
/// - Among candidates' claimers the node of rank r waits r × `stagger`; a free slot's hint goes before all ranks.
/// - At most `claimsAtOnce` claims are under way, and one that failed waits longer each time.
/// - Whoever drains claims nothing.
package struct OwnershipCore: Sendable {
    package struct Settings: Sendable {
        package var stagger = Duration.milliseconds(750)
        package var claimsAtOnce = 4
        package var votesNeeded = 2
        /// How long the answer of a probe counts.
        package var probeLife = Duration.seconds(2)
        package var retryMin = Duration.milliseconds(250)
        package var retryMax = Duration.seconds(10)
        package init() {}
    }

    /// What the coordination store says, as of about now.
    package struct View: Equatable, Sendable {
        package var owners: [SlotID: SlotOwner] = [:]
        /// By incarnation, 32 hexadecimal digits.
        package var incarnations: [String: IncarnationDocument] = [:]
        /// Observers by the incarnation that they vote against.
        package var votes: [String: Set<String>] = [:]
        package init() {}
    }

    package enum Event: Sendable {
        case view(View)
        /// Incarnations that gossip takes for dead: they rank nowhere.
        case dead(Set<String>)
        /// This node serves the slot.
        case claimed(SlotID)
        case claimFailed(SlotID)
        /// What this node serves by now, slots that it is still claiming included.
        case served(Set<SlotID>)
        case probed(incarnation: String, answers: Bool)
        case drain
        case tick
    }

    package enum Effect: Equatable, Sendable {
        case claim(SlotID)
        /// Ask the incarnation's node whether it answers; report `probed`.
        case probe(incarnation: String)
        /// Another incarnation holds a slot that this node serves: what it serves is old.
        case robbed(SlotID)
        case wake(at: Duration)
    }

    private struct Failure {
        var count = 0
        var until = Duration.zero
    }

    private let incarnation: String
    private let nodeID: String
    /// Regions grow as nodes of new ones appear.
    private var regions: Set<String>
    private let slotsPerRegion: Int
    private var slots: [SlotID] = []
    private let settings: Settings

    private var view = View()
    private var dead: Set<String> = []
    private var isDraining = false
    private var serving: Set<SlotID> = []
    private var claiming: Set<SlotID> = []
    private var failures: [SlotID: Failure] = [:]
    /// Since when the slot is to be had, as this owner's document said then.
    private var since: [SlotID: (epoch: Epoch, at: Duration)] = [:]
    private var probes: [String: (answers: Bool, at: Duration)] = [:]
    private var probing: Set<String> = []
    /// Of `ringNodes`: making one takes longer than all that is asked of it.
    private var ring = HashRing([])
    private var ringNodes: Set<HashRing.Node> = []
    private var wakeAt: Duration?

    /// - Parameter regions: those that the cluster's document names.
    package init(
        incarnation: IncarnationID, nodeID: String, regions: [String], slotsPerRegion: Int,
        settings: Settings = Settings()
    ) {
        self.incarnation = incarnation.description
        self.nodeID = nodeID
        self.regions = []
        self.slotsPerRegion = slotsPerRegion
        self.settings = settings
        know(regions)
    }

    private mutating func know(_ more: some Sequence<String>) {
        let all = regions.union(more)
        guard all != regions else { return }
        regions = all
        slots = all.sorted().flatMap { region in
            (0..<slotsPerRegion).map { SlotID(region: region, index: $0) }
        }
    }

    package mutating func handle(_ event: Event, at now: Duration) -> [Effect] {
        var effects: [Effect] = []
        switch event {
        case .view(let new):
            view = new
            know(new.incarnations.values.map(\.region))
            know(new.owners.keys.map(\.region))
            effects = robberies()
        case .dead(let incarnations): dead = incarnations
        case .claimed(let slot):
            claiming.remove(slot)
            serving.insert(slot)
            failures[slot] = nil
        case .claimFailed(let slot):
            claiming.remove(slot)
            fail(slot, at: now)
        case .served(let slots): serving = slots.subtracting(claiming)
        case .probed(let id, let answers):
            probing.remove(id)
            probes[id] = (answers, now)
        case .drain: isDraining = true
        case .tick: wakeAt = nil
        }
        return effects + choose(at: now)
    }

    private mutating func fail(_ slot: SlotID, at now: Duration) {
        var failure = failures[slot] ?? Failure()
        failure.count = min(failure.count + 1, 16)
        failure.until = now + min(settings.retryMin * (1 << failure.count), settings.retryMax)
        failures[slot] = failure
    }

    private func robberies() -> [Effect] {
        serving.sorted().compactMap { slot in
            guard let owner = view.owners[slot], owner.state == .owned, let inc = owner.inc, inc != incarnation else {
                return nil
            }
            return .robbed(slot)
        }
    }

    // MARK: - Choosing

    private mutating func choose(at now: Duration) -> [Effect] {
        guard !isDraining, view.incarnations[incarnation] != nil else { return [] }
        probes = probes.filter { now - $0.value.at < settings.probeLife && view.incarnations[$0.key] != nil }
        let held = held()
        let nodes = eligible()
        if nodes != ringNodes { (ring, ringNodes) = (HashRing(nodes), nodes) }
        var effects: [Effect] = []
        var next: Duration?
        for slot in slots where !serving.contains(slot) && !claiming.contains(slot) {
            guard isCandidate(slot, &effects) else {
                since[slot] = nil
                continue
            }
            guard let rank = rank(slot, held) else { continue }
            let epoch = view.owners[slot]?.epoch ?? 0
            if since[slot]?.epoch != epoch { since[slot] = (epoch, now) }
            let ripe = max((since[slot]?.at ?? now) + settings.stagger * rank, failures[slot]?.until ?? .zero)
            guard ripe <= now else {
                next = min(next ?? ripe, ripe)
                continue
            }
            guard claiming.count < settings.claimsAtOnce else { break }
            claiming.insert(slot)
            effects.append(.claim(slot))
        }
        if let next, wakeAt.map({ next < $0 || $0 <= now }) ?? true {
            wakeAt = next
            effects.append(.wake(at: next))
        }
        return effects
    }

    private mutating func isCandidate(_ slot: SlotID, _ effects: inout [Effect]) -> Bool {
        guard let owner = view.owners[slot], owner.state == .owned, let inc = owner.inc else { return true }
        guard inc != incarnation, view.incarnations[inc] != nil else { return true }
        let voters = view.votes[inc]?.filter { observer in view.incarnations[inc]?.node != observer } ?? []
        guard voters.count >= settings.votesNeeded else { return false }
        if let probe = probes[inc] { return !probe.answers }
        if probing.insert(inc).inserted { effects.append(.probe(incarnation: inc)) }
        return false
    }

    private func rank(_ slot: SlotID, _ held: [String: Int]) -> Int? {
        var order = ring.claimers(of: slot, held: held, slots: slotsPerRegion).map(\.nodeID)
        if let hint = view.owners[slot]?.hint, let place = order.firstIndex(of: hint) {
            order.insert(order.remove(at: place), at: 0)
        }
        return order.firstIndex(of: nodeID)
    }

    private func eligible() -> Set<HashRing.Node> {
        Set(
            view.incarnations.filter { $0.value.state == .active && ($0.key == incarnation || !dead.contains($0.key)) }
                .values.map { HashRing.Node(nodeID: $0.node, region: $0.region) })
    }

    /// Slots per node, those that are being claimed here included.
    private func held() -> [String: Int] {
        var held: [String: Int] = [nodeID: claiming.count]
        for owner in view.owners.values where owner.state == .owned {
            if let node = owner.inc.flatMap({ view.incarnations[$0]?.node }) { held[node, default: 0] += 1 }
        }
        return held
    }

    // MARK: - For the shell

    /// The slot's epoch in the view that the last effects rest on.
    package func epoch(of slot: SlotID) -> Epoch { view.owners[slot]?.epoch ?? 0 }

    /// Slots that nobody serves as far as this node can tell.
    package var unowned: [SlotID] {
        slots.filter { slot in
            guard let owner = view.owners[slot], owner.state == .owned, let inc = owner.inc else { return true }
            return inc == incarnation ? !serving.contains(slot) : view.incarnations[inc] == nil
        }
    }
}
