internal import TidegateCore

extension World {
    /// A few nodes and slots, two accounts, four names of gateways.
    func found() {
        settings.slots = between(1, 3)
        if scenario == .lostObject { settings.slot.holeAfter = .seconds(4) }
        for (account, gateway) in [("a", "one"), ("a", "two"), ("b", "three"), ("b", "four")] {
            tenants.register(Tenants.Name(account: account, gateway: gateway))
        }
        for (account, rows) in [("a", Int64(between(15, 60))), ("b", Int64?.none)] {
            var document = AccountDocument(id: account, name: account, plan: .paid, createdAtMs: 0)
            document.overrides.gateways = .some(2)
            document.overrides.rowsPerAccount = .some(rows)
            if account == "b" { document.overrides.rowsPerGateway = .some(Int64(between(8, 30))) }
            put(keys.account(account), document)
        }
        for name in tenants.names.prefix(3) {
            let reads = [keys.account(name.account), keys.gateway(name.account, name.gateway)].map(
                coordination.model.entry)
            if let creation = GatewayCreation.transaction(name, mintUID(), reads, keys, gatewaySettings(name)) {
                coordination.apply(creation)
            }
        }
        addNodes(between(2, 4))
        for node in nodes { node.start() }
    }

    func gatewaySettings(_ name: Tenants.Name) -> GatewaySettings {
        var settings = GatewaySettings()
        settings.logManagementStrategy = name.gateway == "three" ? .deleteOldest : .stopInserting
        return settings
    }

    private func put(_ key: String, _ document: some Encodable) {
        guard let value = try? DocumentCoding.encode(document) else { return }
        coordination.apply(CoordinationTransaction(then: [.put(key: key, value: value)]))
    }

    func pause(_ node: SimulatedNode, _ length: Int) {
        guard node.isUp, node.pausedUntil <= now else { return }
        note("node \(node.index) pauses for \(length / 1_000) ms")
        node.pausedUntil = now + length
        let life = node.life
        after(length) { [self] in if node.life == life { wake(node) } }
    }

    // MARK: - Scenarios

    /// A committed object that recovery needs is lost, and somebody takes its slot over.
    func loseObject() {
        let slot = roll(settings.slots)
        let record = oracle.slots[slot]
        let first = (record.snapshot.cur?.n ?? 0) + 1
        guard canLoseObjects, oracle.lost == nil, first <= record.headN else { return }
        let n = first + UInt64(roll(Int(record.headN - first + 1)))
        let key = logKey(slot, record.blocks[Int(n) - 1].epoch, n)
        note("LOST \(key)")
        oracle.lost = Oracle.Lost(slot: slot, n: n, key: key)
        objects.lose(key)
        for node in nodes where node.isUp && node.pausedUntil <= now && node.hosts[slot] == nil {
            return node.claim(slot)
        }
    }

    /// A machine's disk is a copy of another's, and both run: the streams of their outboxes fork.
    func cloneOutbox() {
        let (original, clone) = (nodes[0], nodes[1])
        guard original.isUp, clone.isUp, !original.disk.files.isEmpty else { return }
        note("node 1 gets a copy of the outbox of node 0")
        clone.crash(losesDisk: true)
        clone.disk.copy(original.disk)
    }

    /// Faults end: everybody is up, awake and connected.
    func heal() {
        note("FAULTS END")
        faults = FaultPlan.none
        isHealed = true
        network.heal()
        coordination.setDown(false)
        for node in nodes {
            node.isCutFromCoordination = false
            wake(node)
            if !node.isUp { node.start() }
        }
    }

    /// Why the world is not at rest; `nil` when it is.
    func unrest() -> String? {
        for node in nodes {
            guard node.isUp else { return "node \(node.index) is down" }
            guard node.edge.isEmpty else { return "edge \(node.index) has \(node.edge.state)" }
        }
        for slot in 0..<settings.slots {
            let record = oracle.slots[slot]
            guard let owner = record.owner, owner.state == .owned,
                let index = owner.inc.flatMap({ nodeOfIncarnation[$0] }),
                let host = nodes[index].hosts[slot], host.isServing, host.epoch == owner.epoch
            else { return "slot \(slot) has no owner" }
            guard host.core?.appliedN == record.headN, host.core?.isIdle == true, host.open.isEmpty else {
                return "slot \(slot) is busy"
            }
        }
        for name in tenants.names {
            guard let entry = coordination.model.entry(keys.gateway(name.account, name.gateway)),
                let document: GatewayDocument = try? DocumentCoding.decode(from: entry)
            else { continue }
            if document.state == .deleting { return "gateway \(name.gateway) is still being deleted" }
        }
        return nil
    }

    /// Everything that edges captured and kept is settled, and every owner shows what the log says.
    func checkEnd() {
        for id in captured.keys.sorted() where !oracle.acked.contains(id) {
            return violate("I5", "row \(id.bits) was captured on node \(captured[id]?.node ?? -1) and has vanished")
        }
        for uid in tenants.known.keys.sorted() where !tenants.isEnded(uid) {
            let slot = slot(of: uid)
            guard let inc = oracle.slots[slot].owner?.inc, let index = nodeOfIncarnation[inc],
                let image = nodes[index].hosts[slot]?.images[uid]
            else { continue }
            if isForked { continue }
            guard let rows = image.rows(objects) else { return violate("I12", "a segment of \(short(uid)) is missing") }
            if GatewayImage.digest(of: rows) != oracle.gateways[uid]?.digest ?? 0
                || rows.count != oracle.gateways[uid]?.live ?? 0
            {
                violate("I9", "the owner of gateway \(short(uid)) does not show what the log says")
            }
        }
    }
}
