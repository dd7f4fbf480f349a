internal import TidegateCore

extension World {
    func slotID(_ slot: Int) -> SlotID { SlotID(region: "r", index: slot) }

    func slot(of uid: GatewayUID) -> Int { SlotHash.index(of: uid, count: settings.slots) }

    func slot(ofOwnerKey key: String) -> Int? { ownerKeys[key] }

    func incarnation(ofKey key: String) -> String? {
        let prefix = keys.incarnationPrefix
        return key.hasPrefix(prefix) ? String(key.dropFirst(prefix.count)) : nil
    }

    func slot(ofSegment key: String) -> Int? {
        let parts = key.split(separator: "/")
        return parts.count == 4 ? GatewayUID(hex: parts[2]).map(slot(of:)) : nil
    }

    func logKey(_ slot: Int, _ epoch: Epoch, _ n: LogIndex) -> String {
        keys.logObject(slotID(slot), epoch: mutant == .noepochkey ? 0 : epoch, n: n)
    }

    func short(_ uid: GatewayUID) -> String { String(uid.description.suffix(4)) }

    func mintUID() -> GatewayUID { GatewayUID(random: &random) }

    func mintRow(_ uid: GatewayUID) -> RecordID {
        rowCount += 1
        let id = RecordID(bits: UInt128(rowCount))
        rowGateway[id] = uid
        return id
    }
}

extension CoordinationKeys {
    var incarnationPrefix: String { "/tg/\(generation)/inc/" }
}
