internal import TidegateCore

/// What opening a gateway found.
struct OpenedGateway: Sendable {
    var storage: any GatewayStorage
    var state: GatewayState
    var registration: GatewayRegistration
    var allowance: Int64
}

/// One gateway of a slot, as its owner holds it. Belongs to the slot's actor.
final class GatewayRoom {
    enum State { case opening, open, gone }

    let uid: GatewayUID
    var state = State.opening
    var storage: (any GatewayStorage)?
    var registration: GatewayRegistration?
    var admission = AdmissionCore(live: 0, allowance: 0, cap: nil, marks: [])
    var allowance: AllowanceCore
    var parked: [ParkedBatch] = []
    var appends: [(GatewayEntry, @Sendable (Result<LogPosition, TidegateError>) -> Void)] = []
    var openers: [@Sendable (TidegateError?) -> Void] = []
    /// A request for rows or a return of rows is under way: never both, so that neither mistakes the other's half-done
    /// work for its own.
    var isMovingRows = false
    var isEvicting = false
    var hasNothingToEvict = false
    /// `gatewayDeleted` is in flight: nothing may come behind it.
    var isDeleting = false

    init(uid: GatewayUID, settings: AllowanceCore.Settings) {
        self.uid = uid
        allowance = AllowanceCore(settings: settings)
    }

    func open(_ opened: OpenedGateway) {
        storage = opened.storage
        registration = opened.registration
        admission = AdmissionCore(
            live: opened.state.live, allowance: opened.allowance, cap: opened.registration.cap,
            marks: opened.state.streams.map { ($0.key, sequence: $0.value.sequence, id: $0.value.id) })
        // The end may be in the log already, and a snapshot taken since knows nothing of the gateway any more.
        isDeleting = opened.registration.isEnding
        state = .open
    }
}
