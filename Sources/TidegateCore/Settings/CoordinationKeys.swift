/// Names of keys in the coordination store and the object store (protocol §1, §2).
package struct CoordinationKeys: Equatable, Sendable {
    package let generation: Int
    private let root: String

    package init(generation: Int = 1) {
        self.generation = generation
        root = "/tg/\(generation)/"
    }

    package var cluster: String { root + "cfg/cluster" }
    package var accounts: String { root + "acct/" }
    package func incarnation(_ id: IncarnationID) -> String { root + "inc/\(id)" }
    /// Held by the one node that runs, until several can.
    package var sole: String { root + "sole" }
    package func owner(_ slot: SlotID) -> String { root + "slot/\(slot)/own" }
    package func head(_ slot: SlotID) -> String { root + "slot/\(slot)/head" }
    package func snapshot(_ slot: SlotID) -> String { root + "slot/\(slot)/snap" }
    package func account(_ account: String) -> String { accounts + "\(account)/doc" }
    package func gateways(of account: String) -> String { accounts + "\(account)/gw/" }
    package func gateway(_ account: String, _ name: String) -> String { gateways(of: account) + name }
    package func quota(_ account: String, _ uid: GatewayUID) -> String { accounts + "\(account)/quota/\(uid)" }
    /// Which account and name a uid belongs to, so that an owner who knows only the uid can ask (A10).
    package func gatewayIndex(_ uid: GatewayUID) -> String { root + "uid/\(uid)" }
    package func tokens(of account: String) -> String { accounts + "\(account)/token/" }
    package func token(_ account: String, _ id: String) -> String { tokens(of: account) + id }
    package func gone(_ uid: GatewayUID) -> String { root + "gone/\(uid)" }
    package func edge(_ stream: StreamID) -> String { root + "edge/\(stream)" }

    /// Key of a log object in the object store: the epoch in it keeps a zombie from overwriting its successor's (A4).
    package func logObject(_ slot: SlotID, epoch: Epoch, n: LogIndex) -> String {
        "\(generation)/log/\(slot)/\(epoch)/\(n)"
    }
}
