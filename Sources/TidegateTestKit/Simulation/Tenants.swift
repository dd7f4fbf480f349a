internal import TidegateCore

/// Accounts and gateways: what the coordination store says of them, and the rules that hold for it (I10, I11, I13).
final class Tenants {
    struct Name: Hashable {
        var account: String
        var gateway: String
    }

    private unowned let world: World
    private(set) var names: [Name] = []
    private var nameOfKey: [String: Name] = [:]
    private(set) var allowances: [GatewayUID: Int] = [:]
    private var accountOf: [GatewayUID: String] = [:]
    private(set) var gone: Set<GatewayUID> = []
    private(set) var goneAt: [GatewayUID: Int] = [:]
    private(set) var known: [GatewayUID: Name] = [:]
    private var documents: [String: AccountDocument] = [:]
    private var gatewayKeys: [String: Set<String>] = [:]

    init(_ world: World) { self.world = world }

    func register(_ name: Name) {
        names.append(name)
        nameOfKey[world.keys.gateway(name.account, name.gateway)] = name
    }

    func name(ofGatewayKey key: String) -> Name? { nameOfKey[key] }

    // MARK: - Following the store

    func changed(_ entry: KeyValue, _ touched: inout Set<String>) {
        if let name = nameOfKey[entry.key] {
            gatewayKeys[name.account, default: []].insert(entry.key)
            touched.insert(name.account)
            if let document: GatewayDocument = try? DocumentCoding.decode(from: entry),
                let uid = GatewayUID(hex: document.uid)
            {
                if known[uid] == nil, known.values.contains(name) { world.cover(.gatewayRecreated) }
                known[uid] = name
            }
            return
        }
        let parts = entry.key.split(separator: "/")
        guard parts.count >= 4 else { return }
        switch parts[2] {
        case "acct" where parts.count == 5 && parts[4] == "doc":
            let account = String(parts[3])
            guard let document: AccountDocument = try? DocumentCoding.decode(from: entry) else { return }
            checkGrowth(documents[account], document)
            documents[account] = document
            touched.insert(account)
        case "acct" where parts.count == 6 && parts[4] == "quota":
            guard let uid = GatewayUID(hex: parts[5]),
                let quota: QuotaDocument = try? DocumentCoding.decode(from: entry)
            else { return }
            allowances[uid] = Int(quota.allowance)
            accountOf[uid] = String(parts[3])
            touched.insert(String(parts[3]))
            let live = world.oracle.gateways[uid]?.live ?? 0
            if live > quota.allowance {
                world.violate(
                    "I10", "allowance \(quota.allowance) of gateway \(world.short(uid)), which has \(live) rows")
            }
        case "gone":
            guard let uid = GatewayUID(hex: parts[3]) else { return }
            gone.insert(uid)
            goneAt[uid] = goneAt[uid] ?? world.now
            if let by = world.oracle.endedBy[uid], by != world.oracle.slots[world.slot(of: uid)].owner?.epoch {
                world.cover(.endFinishedByAnother)
            }
            if let document: GoneDocument = try? DocumentCoding.decode(from: entry), document.purged {
                world.oracle.purged(uid)
            }
        default: break
        }
    }

    func removed(_ key: String, _ touched: inout Set<String>) {
        if let name = nameOfKey[key] {
            gatewayKeys[name.account]?.remove(key)
            touched.insert(name.account)
        } else if key.contains("/quota/"), let uid = GatewayUID(hex: key.suffix(32)) {
            allowances[uid] = nil
            if let account = accountOf[uid] { touched.insert(account) }
        }
    }

    /// Above a cap that was lowered, nothing grows (A15).
    private func checkGrowth(_ old: AccountDocument?, _ new: AccountDocument) {
        if let cap = new.entitlements.rowsPerAccount, new.allocated > cap, new.allocated > old?.allocated ?? 0 {
            world.violate("I10", "account \(new.id) was granted \(new.allocated) rows, its cap is \(cap)")
        }
        if let cap = new.entitlements.gateways, new.gatewayCount > cap, new.gatewayCount > old?.gatewayCount ?? 0 {
            world.violate("I11", "account \(new.id) has \(new.gatewayCount) gateways, its cap is \(cap)")
        }
    }

    func check(_ account: String) {
        guard let document = documents[account] else { return }
        let sum = allowances.reduce(0) { $0 + (accountOf[$1.key] == account ? $1.value : 0) }
        if sum != document.allocated {
            world.violate("I10", "account \(account): allowances make \(sum), allocated says \(document.allocated)")
        }
        let count = gatewayKeys[account]?.count ?? 0
        if count != document.gatewayCount {
            world.violate("I11", "account \(account) has \(count) gateways, its document says \(document.gatewayCount)")
        }
    }

    /// Whether nothing will ever be taken for `uid` again.
    func isEnded(_ uid: GatewayUID) -> Bool {
        guard world.oracle.gateways[uid]?.isDeleted != true else { return true }
        return world.coordination.model.entry(world.keys.gatewayIndex(uid)) == nil
    }
}
