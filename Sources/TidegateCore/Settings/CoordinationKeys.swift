/// Names of keys in the coordination store and the object store (protocol §1, §2).
package struct CoordinationKeys: Equatable, Sendable {
    package let generation: Int
    private let root: String

    package init(generation: Int = 1) {
        self.generation = generation
        root = "/tg/\(generation)/"
    }

    /// Says which generation is the present one, in decimal digits; absent is 1.
    package static let present = "/tg/generation"

    /// The keys of the generation that the store says is the present one.
    package static func present(in store: any CoordinationStore) async throws(TidegateError) -> CoordinationKeys {
        guard let entry = try await store.get(present) else { return CoordinationKeys() }
        guard let generation = Int(String(decoding: entry.value, as: UTF8.self)), generation > 0 else {
            throw TidegateError(.corrupt, "\(present) holds no number.")
        }
        return CoordinationKeys(generation: generation)
    }

    /// Prefix of every key of this generation.
    package var all: String { root }
    package var incarnations: String { root + "inc/" }
    package var cluster: String { root + "cfg/cluster" }
    package var accounts: String { root + "acct/" }
    package func incarnation(_ id: IncarnationID) -> String { root + "inc/\(id)" }
    package var votes: String { root + "vote/" }
    /// Under the observer's lease: it takes the incarnation for dead.
    package func vote(against id: IncarnationID, by observer: String) -> String { votes + "\(id)/\(observer)" }
    /// A copy of each slot's `own`, under a prefix that moves only when owners change: heads beside `own` move at every
    /// commit, and every node watches this (decision 0014).
    package var routes: String { root + "route/" }
    package func route(_ slot: SlotID) -> String { routes + "\(slot)" }
    package var slots: String { root + "slot/" }
    package func owner(_ slot: SlotID) -> String { slots + "\(slot)/own" }
    package func head(_ slot: SlotID) -> String { slots + "\(slot)/head" }
    package func snapshot(_ slot: SlotID) -> String { slots + "\(slot)/snap" }
    package func account(_ account: String) -> String { accounts + "\(account)/doc" }
    package func gateways(of account: String) -> String { accounts + "\(account)/gw/" }
    package func gateway(_ account: String, _ name: String) -> String { gateways(of: account) + name }
    package func quota(_ account: String, _ uid: GatewayUID) -> String { accounts + "\(account)/quota/\(uid)" }
    /// Which account and name a uid belongs to, so that an owner who knows only the uid can ask (A10).
    package func gatewayIndex(_ uid: GatewayUID) -> String { root + "uid/\(uid)" }
    package func tokens(of account: String) -> String { accounts + "\(account)/token/" }
    package func token(_ account: String, _ id: String) -> String { tokens(of: account) + id }
    package func gone(_ uid: GatewayUID) -> String { goneGateways + "\(uid)" }
    package var goneGateways: String { root + "gone/" }
    package func edge(_ stream: StreamID) -> String { root + "edge/\(stream)" }

    // MARK: - Object store

    /// Key of a log object: the epoch in it keeps a zombie from overwriting its successor's (A4).
    package func logObject(_ slot: SlotID, epoch: Epoch, n: LogIndex) -> String {
        "\(generation)/log/\(slot)/\(epoch)/\(n)"
    }
    package func logObject(_ slot: SlotID, _ step: LineageStep, n: LogIndex) -> String {
        "\(step.generation ?? generation)/log/\(slot)/\(step.epoch)/\(n)"
    }
    package var logObjects: String { "\(generation)/log/" }
    package func logObjects(_ slot: SlotID) -> String { logObjects + "\(slot)/" }
    /// - Parameter rand: never used twice, so that a second try has a name of its own.
    package func manifest(_ slot: SlotID, epoch: Epoch, n: LogIndex, rand: String) -> String {
        "\(generation)/snap/\(slot)/\(epoch)/\(n)-\(rand)"
    }
    package func manifests(_ slot: SlotID) -> String { "\(generation)/snap/\(slot)/" }
    package func database(_ uid: GatewayUID, epoch: Epoch, n: LogIndex, rand: String) -> String {
        "\(generation)/db/\(uid)/\(epoch)/\(n)-\(rand)"
    }
    package func databases(_ uid: GatewayUID) -> String { "\(generation)/db/\(uid)/" }

    /// Prefixes of everything that belongs to one gateway alone, whichever generation wrote it.
    package func objects(of uid: GatewayUID) -> [String] {
        (1...max(1, generation)).flatMap { written in ["db", "seg", "body"].map { "\(written)/\($0)/\(uid)/" } }
    }

    package func parts(ofLogObject key: String, _ slot: SlotID) -> (epoch: Epoch, n: LogIndex)? {
        let parts = rest(of: key, behind: logObjects(slot))
        guard parts.count == 2, let epoch = Epoch(parts[0]), let n = LogIndex(parts[1]) else { return nil }
        return (epoch, n)
    }
    package func epoch(ofManifest key: String, _ slot: SlotID) -> Epoch? {
        let parts = rest(of: key, behind: manifests(slot))
        return parts.count == 2 ? Epoch(parts[0]) : nil
    }
    package func epoch(ofDatabase key: String, _ uid: GatewayUID) -> Epoch? {
        let parts = rest(of: key, behind: databases(uid))
        return parts.count == 2 ? Epoch(parts[0]) : nil
    }

    private func rest(of key: String, behind prefix: String) -> [Substring] {
        guard key.hasPrefix(prefix) else { return [] }
        return key.dropFirst(prefix.count).split(separator: "/", omittingEmptySubsequences: false)
    }

    /// Everything of a gateway's sealed rows.
    package func segments(of uid: GatewayUID) -> String { "\(generation)/seg/\(uid)/" }
    /// - Parameter rand: never used twice: what an interrupted owner left is never mistaken for it.
    package func segment(_ uid: GatewayUID, epoch: Epoch, rand: String) -> String {
        segments(of: uid) + "\(epoch)-\(rand)"
    }
    /// Of a segment's or a pack's key.
    package func epoch(ofSegment key: String, _ uid: GatewayUID) -> Epoch? {
        let name = rest(of: key, behind: segments(of: uid))
        guard name.count == 1, let epoch = name[0].split(separator: "-").first else { return nil }
        return Epoch(epoch)
    }
    /// Key of the bodies of the rows in the segment at `key`.
    package static func pack(of key: String) -> String { key + ".pack" }
}
