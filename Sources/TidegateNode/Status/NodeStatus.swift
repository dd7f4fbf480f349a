/// The JSON of `GET /status` (interfaces.md §3).
struct NodeStatus: Encodable {
    struct Member: Encodable {
        var node: String
        var region: String
        var state: String
    }
    struct Slot: Encodable {
        var slot: String
        var epoch: UInt64
        var n: UInt64
        var gateways: Int
        /// Committed log objects that are lost; left out when there are none.
        var holes: [UInt64]?
    }
    struct Outbox: Encodable {
        var captured: UInt64
        var acked: UInt64
        var pending: UInt64
        var bytes: UInt64
        var writable: Bool
    }
    struct Coordination: Encodable {
        var kind: String
        var reachable: Bool
        var revision: Int64
    }
    struct Store: Encodable {
        var kind: String
        var reachable: Bool
    }

    var node: String
    var region: String
    var incarnation: String
    var version: String
    var state: String
    var members: [Member]
    var slots: [Slot]
    var outbox: Outbox
    var coordination: Coordination
    var store: Store
}
