internal import TidegateCore

/// A coordination store as a client meets it over a bad network: calls are lost before or after they happen, happen late,
/// or twice; watches lag and lose their place; leases end.
final class SimulatedCoordination {
    enum Answer {
        case outcome(TransactionOutcome)
        /// It may have happened, or may yet.
        case unknown
        /// It surely did not happen.
        case refused
    }

    private struct Lease {
        var keys: [String]
        var until: Int
    }

    private(set) var model = CoordinationModel()
    private unowned let world: World
    private var leases: [LeaseID: Lease] = [:]
    private var nextLease: Int64 = 1
    private(set) var isDown = false
    /// Changes that watches deliver, in revision order.
    private(set) var changes: [WatchBatch] = []

    init(_ world: World) { self.world = world }

    /// Carries `transaction` to the store and its answer back, as well as the network lets it.
    func commit(
        _ transaction: CoordinationTransaction, from node: SimulatedNode, then answer: @escaping (Answer) -> Void
    ) {
        let faults = world.faults
        let isRead = transaction.then.isEmpty
        let there = world.between(200, 8_000)
        if isDown || node.isCutFromCoordination || world.happens(faults.callLost) {
            // Never sent, or sent and nobody can say.
            let isKnown = world.roll(2) == 0
            return world.after(isKnown ? there : 2_000_000, of: node) { answer(isKnown ? .refused : .unknown) }
        }
        if !isRead, world.happens(faults.callDelayed) {
            // The client gives up; the store has not.
            world.after(world.between(500_000, 20_000_000)) { [self] in
                world.note("late transaction of node \(node.index) \(describe(transaction))")
                if apply(transaction)?.succeeded == true { world.cover(.lateTransaction) }
            }
            return world.after(2_000_000, of: node) { answer(.unknown) }
        }
        let isDoubled = !isRead && world.happens(faults.callDoubled)
        let isHidden = world.happens(faults.answerLost)
        world.after(there) { [self] in
            guard !isDown else { return world.after(2_000_000, of: node) { answer(.unknown) } }
            var outcome = apply(transaction)
            if !isRead, world.isTracing {
                world.note(
                    "node \(node.index) \(outcome?.succeeded ?? false ? "wrote" : "FAILED") \(describe(transaction))")
            }
            // A client library that sends again tells the second answer, which looks like a failed comparison.
            if isDoubled {
                world.cover(.doubledTransaction)
                outcome = apply(transaction)
            }
            if isHidden || node.isCutFromCoordination {
                return world.after(2_000_000, of: node) { answer(.unknown) }
            }
            world.after(world.between(200, 8_000), of: node) { answer(outcome.map { .outcome($0) } ?? .refused) }
        }
    }

    /// What the world's own hand writes: no faults.
    @discardableResult
    func apply(_ transaction: CoordinationTransaction) -> TransactionOutcome? {
        guard let (outcome, batch) = try? model.commit(transaction, isAlive: { leases[$0] != nil }) else { return nil }
        if outcome.succeeded {
            for operation in transaction.then {
                if let lease = operation.lease { leases[lease]?.keys.append(operation.key) }
            }
        }
        if let batch { publish(batch) }
        return outcome
    }

    func setDown(_ isDown: Bool) {
        self.isDown = isDown
        world.note("coordination store \(isDown ? "down" : "up")")
    }

    // MARK: - Leases

    func grantLease() -> LeaseID {
        defer { nextLease += 1 }
        let lease = LeaseID(rawValue: nextLease)
        leases[lease] = Lease(keys: [], until: world.now + world.settings.leaseTime)
        expire(lease, at: world.now + world.settings.leaseTime)
        return lease
    }

    func keepAlive(_ lease: LeaseID) -> Bool {
        guard !isDown, leases[lease] != nil else { return isDown }
        leases[lease]?.until = world.now + world.settings.leaseTime
        return true
    }

    private func expire(_ lease: LeaseID, at time: Int) {
        world.after(time - world.now) { [self] in
            guard let held = leases[lease] else { return }
            // An outage stops the clock of leases: a new leader extends them all.
            if isDown { leases[lease]?.until = max(held.until, world.now + world.settings.leaseTime) }
            let until = leases[lease]?.until ?? 0
            guard until <= world.now else { return expire(lease, at: until) }
            leases[lease] = nil
            world.cover(.leaseEnded)
            world.note("lease \(lease.rawValue) ended")
            if let batch = model.removeKeys(of: lease) { publish(batch) }
        }
    }

    // MARK: - Watches

    private func publish(_ batch: WatchBatch) {
        changes.append(batch)
        world.oracle.changed(batch)
        let position = changes.count
        for node in world.nodes where node.isUp {
            if world.happens(world.faults.watchBroken) { node.view.isBroken = true }
            let delay =
                world.happens(world.faults.watchSlow) ? world.between(100_000, 5_000_000) : world.between(500, 30_000)
            world.after(delay, of: node) { node.view.deliver(through: position) }
        }
    }

    private func describe(_ transaction: CoordinationTransaction) -> String {
        transaction.then.map { operation in
            switch operation {
            case .put(let key, let value, _):
                "\(key.dropFirst(6))=\(String(decoding: value.prefix(90), as: UTF8.self))"
            case .delete(let key): "-\(key.dropFirst(6))"
            }
        }.joined(separator: " ")
    }
}
