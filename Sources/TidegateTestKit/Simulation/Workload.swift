internal import TidegateCore

/// What clients do, and what befalls the machines, at times that the seed draws.
struct Workload {
    let world: World
    let end: Int

    func schedule() {
        for _ in 0..<world.between(60, 110) { at { capture() } }
        for _ in 0..<world.between(5, 20) { at { edit() } }
        for _ in 0..<world.between(0, 5) { at { deleteRows() } }
        for _ in 0..<world.between(10, 60) { at { read() } }
        for _ in 0..<world.between(0, 3) { at { deleteGateway() } }
        for _ in 0..<world.between(1, 4) { at { createGateway() } }
        for _ in 0..<world.between(0, 2) { at { changePlan() } }
        for _ in 0..<world.between(0, 4) { at { reclaim() } }
        scheduleFaults()
    }

    private func at(_ action: @escaping () -> Void) { world.after(world.roll(end), action) }

    private var anyNode: SimulatedNode? {
        let node = world.nodes[world.roll(world.nodes.count)]
        return node.isUp && node.pausedUntil <= world.now ? node : nil
    }

    private var anyName: Tenants.Name { world.tenants.names[world.roll(world.tenants.names.count)] }

    // MARK: - Clients

    private func capture() {
        guard let node = anyNode, let uid = node.view.gateways[anyName] else { return }
        for _ in 0..<world.between(1, 3) {
            let duration = world.roll(10) == 0 ? world.between(500_000, 10_000_000) : world.roll(200_000)
            let isLong = duration > 150_000
            let id = node.edge.capture(
                uid, duration: duration, writesIntent: isLong || world.roll(3) == 0, isAbandoned: world.roll(40) == 0)
            guard let id else { continue }
            world.recent.append(id)
            // Feedback may come before the row has arrived (A18).
            if world.roll(6) == 0 { world.after(world.roll(400_000)) { self.edit(id) } }
        }
    }

    private func edit() {
        guard !world.recent.isEmpty else { return }
        edit(world.recent[world.roll(world.recent.count)])
    }

    private func edit(_ id: RecordID) {
        guard let uid = world.rowGateway[id], let host = host(of: uid) else { return }
        world.edits += 1
        host.edit(id, of: uid, value: world.edits) { _, _ in }
    }

    private func deleteRows() {
        guard let uid = anyGateway, let host = host(of: uid) else { return }
        host.deleteSome(of: uid, world.random.next()) { _, _ in }
    }

    private func read() {
        guard let uid = anyGateway else { return }
        let isStrong = world.roll(2) == 0
        let reader = world.roll(3)
        if world.roll(3) > 0 {
            if let host = host(of: uid) { read(uid, at: host, by: reader, isStrong: isStrong) }
            return
        }
        // One reader, and whoever takes itself for the owner, the newest first: what the others say is old.
        let slot = world.slot(of: uid)
        let hosts = world.nodes.filter { $0.isUp && $0.pausedUntil <= world.now }.compactMap { $0.hosts[slot] }
        for host in hosts.sorted(by: { ($0.epoch ?? 0) > ($1.epoch ?? 0) }) {
            read(uid, at: host, by: reader, isStrong: isStrong)
        }
    }

    private func read(_ uid: GatewayUID, at host: SlotShell, by reader: Int, isStrong: Bool) {
        let atLeast = isStrong ? world.oracle.ackedN[uid] ?? 0 : nil
        host.read(uid, isStrong: isStrong) { answer in
            guard let answer else { return }
            // The front end shows no answer older than one it has shown (A14).
            let key = Front(reader: reader, uid: uid)
            if let seen = world.seen[key], answer.position < seen, world.mutant != .oldread {
                return world.cover(.olderReadRefused)
            }
            if let seen = world.seen[key], answer.position < seen {
                world.violate("I8", "a reader saw \(seen) of gateway \(world.short(uid)), then \(answer.position)")
            }
            world.seen[key] = answer.position
            world.oracle.read(uid, answer, atLeast: atLeast)
        }
    }

    private var anyGateway: GatewayUID? {
        let known = world.tenants.known.keys.sorted()
        return known.isEmpty ? nil : known[world.roll(known.count)]
    }

    /// Whoever some node takes for the owner; now and then whoever takes itself for it.
    private func host(of uid: GatewayUID) -> SlotShell? {
        let slot = world.slot(of: uid)
        if world.roll(3) == 0 {
            let hosts = world.nodes.filter { $0.isUp && $0.pausedUntil <= world.now }.compactMap { $0.hosts[slot] }
            return hosts.isEmpty ? nil : hosts[world.roll(hosts.count)]
        }
        guard let index = anyNode?.view.node(of: slot) else { return nil }
        let node = world.nodes[index]
        return node.isUp && node.pausedUntil <= world.now ? node.hosts[slot] : nil
    }

    // MARK: - Accounts (as AccountManager does)

    private func createGateway() {
        guard let node = anyNode else { return }
        let name = anyName
        let uid = world.mintUID()
        guard let transaction = try? GatewayCreation.reading(name, world.keys) else { return }
        world.coordination.commit(transaction, from: node) { answer in
            guard case .outcome(let outcome) = answer,
                let creation = GatewayCreation.transaction(
                    name, uid, outcome.reads, world.keys, world.gatewaySettings(name))
            else { return }
            world.coordination.commit(creation, from: node) { _ in }
        }
    }

    private func deleteGateway() {
        guard let node = anyNode else { return }
        let name = anyName
        let key = world.keys.gateway(name.account, name.gateway)
        world.coordination.commit(CoordinationTransaction(read: [key]), from: node) { answer in
            guard case .outcome(let outcome) = answer, let entry = outcome.reads[0],
                var document: GatewayDocument = try? DocumentCoding.decode(from: entry)
            else { return }
            document.state = .deleting
            guard let value = try? DocumentCoding.encode(document) else { return }
            world.coordination.commit(
                CoordinationTransaction(
                    compare: [.modRevision(key: key, equals: entry.modRevision)], then: [.put(key: key, value: value)]),
                from: node
            ) { _ in }
        }
    }

    private func changePlan() {
        guard let node = anyNode else { return }
        let key = world.keys.account(anyName.account)
        let rows = Int64(world.between(4, 60))
        world.coordination.commit(CoordinationTransaction(read: [key]), from: node) { answer in
            guard case .outcome(let outcome) = answer, let entry = outcome.reads[0],
                var document: AccountDocument = try? DocumentCoding.decode(from: entry)
            else { return }
            if rows < (document.entitlements.rowsPerAccount ?? .max) { world.cover(.capLowered) }
            document.overrides.rowsPerAccount = .some(rows)
            guard let value = try? DocumentCoding.encode(document) else { return }
            world.coordination.commit(
                CoordinationTransaction(
                    compare: [.modRevision(key: key, equals: entry.modRevision)], then: [.put(key: key, value: value)]),
                from: node
            ) { _ in }
        }
    }

    private func reclaim() {
        let account = anyName.account
        for node in world.nodes where node.isUp && node.pausedUntil <= world.now {
            for slot in node.hosts.keys.sorted() { node.hosts[slot]?.giveBack(account) }
        }
    }
}

/// Who has seen what: one reader's view of one gateway.
struct Front: Hashable {
    var reader: Int
    var uid: GatewayUID
}

/// The transaction that makes a gateway (protocol §10).
enum GatewayCreation {
    static func reading(_ name: Tenants.Name, _ keys: CoordinationKeys) throws -> CoordinationTransaction {
        CoordinationTransaction(read: [keys.account(name.account), keys.gateway(name.account, name.gateway)])
    }

    static func transaction(
        _ name: Tenants.Name, _ uid: GatewayUID, _ reads: [KeyValue?], _ keys: CoordinationKeys,
        _ settings: GatewaySettings
    ) -> CoordinationTransaction? {
        guard let account = reads[0], reads[1] == nil,
            var document: AccountDocument = try? DocumentCoding.decode(from: account)
        else { return nil }
        if let cap = document.entitlements.gateways, document.gatewayCount >= cap { return nil }
        document.gatewayCount += 1
        let gateway = GatewayDocument(uid: uid, region: "r", settings: settings, createdAtMs: 0)
        guard let value = try? DocumentCoding.encode(document), let made = try? DocumentCoding.encode(gateway) else {
            return nil
        }
        return CoordinationTransaction(
            compare: [
                .modRevision(key: account.key, equals: account.modRevision),
                .modRevision(key: keys.gateway(name.account, name.gateway), equals: 0),
            ],
            then: [
                .put(key: account.key, value: value), .put(key: keys.gateway(name.account, name.gateway), value: made),
                .put(key: keys.gatewayIndex(uid), value: Array("\(name.account)/\(name.gateway)".utf8)),
            ])
    }
}
