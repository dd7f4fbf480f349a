internal import TidegateCore

/// A machine and the process on it: an edge and, perhaps, the owner of slots. What it knows dies with the process; the
/// outbox's files stay unless the disk goes too.
final class SimulatedNode {
    let index: Int
    unowned let world: World
    /// Counts the processes: what one of them waited for does not reach the next.
    private(set) var life = 0
    private(set) var isUp = false
    /// A stopped process sees nothing happen; what should have, happens when it wakes.
    var pausedUntil = 0
    var isCutFromCoordination = false
    private(set) var incarnation = IncarnationID(bits: 0)
    private(set) var view: NodeView!
    private(set) var edge: EdgeShell!
    private(set) var hosts: [Int: SlotShell] = [:]
    let disk = OutboxDisk()
    private(set) var lease = LeaseID(rawValue: 0)
    private var startedAt = 0
    /// Thousandths by which the node's clock is fast.
    private var drift = 0
    var wallOffsetMs: Int64 = 0

    init(_ index: Int, _ world: World) {
        self.index = index
        self.world = world
    }

    // MARK: - Clocks

    /// By the node's own clock, since its start.
    var local: Duration { .microseconds((world.now - startedAt) * (1_000 + drift) / 1_000) }
    var wallMs: Int64 { 1_700_000_000_000 + Int64(world.now / 1_000) + wallOffsetMs }

    func after(_ delay: Duration, _ action: @escaping () -> Void) {
        let (seconds, attoseconds) = delay.components
        let microseconds = Int(seconds) * 1_000_000 + Int(attoseconds / 1_000_000_000_000)
        world.after(microseconds * 1_000 / (1_000 + drift), of: self, action)
    }

    // MARK: - Life

    func start() {
        life += 1
        isUp = true
        startedAt = world.now
        drift = world.faults.drift == 0 ? 0 : world.between(-50, 50)
        incarnation = IncarnationID(random: &world.random)
        world.nodeOfIncarnation[incarnation.description] = index
        world.note("node \(index) starts, life \(life)")
        hosts = [:]
        view = NodeView(self, world)
        edge = EdgeShell(self)
        view.list()
        join()
        keepAlive()
        watchSlots()
        edge.start()
    }

    /// The process ends where it stands.
    func crash(isPowerCut: Bool = false, losesDisk: Bool = false) {
        guard isUp else { return }
        world.note("node \(index) \(losesDisk ? "loses its disk" : isPowerCut ? "loses power" : "crashes")")
        life += 1
        isUp = false
        pausedUntil = 0
        hosts = [:]
        if losesDisk { disk.wipe() } else if isPowerCut { disk.cutPower(world) }
        if losesDisk { world.cover(.diskLost) } else if isPowerCut { world.cover(.powerCut) }
        if losesDisk || isPowerCut {
            for (id, row) in world.captured where row.node == index && !disk.holds(id) {
                if !world.oracle.acked.contains(id) { world.cover(.rowsLostUnsynced) }
                world.captured[id] = nil
            }
        }
        let restart = world.isHealed ? 100_000 : world.between(100_000, 12_000_000)
        world.after(restart) { [self] in if !isUp { start() } }
    }

    private func join() {
        lease = world.coordination.grantLease()
        announce(lease)
    }

    private func announce(_ lease: LeaseID) {
        let key = world.keys.incarnation(incarnation)
        let put = CoordinationTransaction(then: [.put(key: key, value: [1], lease: lease)])
        world.coordination.commit(put, from: self) { [self] answer in
            if case .outcome(let outcome) = answer, outcome.succeeded { return }
            guard lease == self.lease else { return }
            world.after(500_000, of: self) { self.announce(lease) }
        }
    }

    private func keepAlive() {
        world.after(world.settings.keepAlive, of: self) { [self] in
            if !isCutFromCoordination, !world.happens(world.faults.callLost), !world.coordination.keepAlive(lease) {
                join()
            }
            keepAlive()
        }
    }

    // MARK: - Slots

    private func watchSlots() {
        world.after(world.settings.claimCheck + world.roll(700_000), of: self) { [self] in
            for slot in 0..<world.settings.slots where hosts[slot] == nil && view.wantsOwner(slot) {
                world.after(world.roll(900_000), of: self) { [self] in
                    if hosts[slot] == nil, view.wantsOwner(slot) { claim(slot) }
                }
            }
            for slot in hosts.keys.sorted() { hosts[slot]?.sweep() }
            watchSlots()
        }
    }

    /// Becomes the owner of `slot`, whoever is that now.
    func claim(_ slot: Int) {
        guard isUp, hosts[slot] == nil else { return }
        let host = SlotShell(slot, self)
        hosts[slot] = host
        host.start()
    }

    func drop(_ host: SlotShell) { if hosts[host.slot] === host { hosts[host.slot] = nil } }

    func viewChanged() {
        for slot in hosts.keys.sorted() {
            guard let host = hosts[slot], let owner = view.owners[slot], let epoch = host.epoch, owner.epoch > epoch
            else { continue }
            // Hearing of a successor is a courtesy: safety does not rest on it.
            if world.isHealed || world.roll(4) == 0 { host.end("a successor is known") }
        }
    }

    /// Whether the process ends here, at one of the effects that it carries out.
    func diesHere() -> Bool {
        guard world.happens(world.faults.crashAtEffect) else { return false }
        crash(isPowerCut: world.happens(world.faults.powerCuts), losesDisk: world.happens(world.faults.disksLost))
        return true
    }
}
