/// Decides how many bytes a peer may send before it has to wait (A25): the receiver's side of one delivery call.
///
/// What the peer may still send and what it has sent and is not decided add up to the window. The window begins small and
/// doubles each time a windowful has been decided in good time; when the node says that it is overloaded, it halves.
package struct PeerCreditCore: Sendable {
    package enum Event: Sendable {
        case began
        /// A parcel arrived.
        case took(cost: Int)
        /// All records of a parcel are decided.
        /// - Parameter after: how long that took.
        case decided(cost: Int, after: Duration, isOverloaded: Bool)
    }
    package enum Effect: Equatable, Sendable {
        case grant(Int)
        /// Room is wanted for a larger window: answer with `grow` if the node has it.
        case askToGrow(by: Int)
        /// The window is smaller by so much.
        case giveBack(Int)
        /// It sends without credit.
        case refuse
    }

    package private(set) var window: Int
    private let settings: PeerCreditSettings
    /// Granted and not used. One parcel may overdraw it: it is sent as long as anything is left, however large it is.
    private var balance = 0
    private var busy = 0
    private var decidedSinceChange = 0

    package init(settings: PeerCreditSettings) {
        self.settings = settings
        window = settings.windowMin
    }

    /// What the window is larger than it began.
    package var growth: Int { window - settings.windowMin }

    package mutating func handle(_ event: Event) -> [Effect] {
        switch event {
        case .began: return topUp()
        case .took(let cost):
            guard balance > 0 else { return [.refuse] }
            balance -= cost
            busy += cost
            return []
        case .decided(let cost, let after, let isOverloaded):
            busy -= cost
            decidedSinceChange += cost
            if isOverloaded, window > settings.windowMin {
                let less = window - max(window / 2, settings.windowMin)
                window -= less
                decidedSinceChange = 0
                return [.giveBack(less)] + topUp()
            }
            if isOverloaded || after > settings.goodTime { decidedSinceChange = 0 }
            let more = min(window, settings.windowMax - window)
            guard decidedSinceChange >= window, more > 0 else { return topUp() }
            decidedSinceChange = 0
            return [.askToGrow(by: more)] + topUp()
        }
    }

    /// The node has room for a window that is larger by `bytes`.
    package mutating func grow(by bytes: Int) -> [Effect] {
        window += bytes
        return topUp()
    }

    /// Grants come in pieces that are worth a message.
    private mutating func topUp() -> [Effect] {
        let missing = window - balance - busy
        guard missing > 0, missing >= window / 8 || busy == 0 else { return [] }
        balance += missing
        return [.grant(missing)]
    }
}

package struct PeerCreditSettings: Sendable {
    package var windowMin = 256 << 10
    package var windowMax = 8 << 20
    /// A parcel that takes longer than this is no reason for a larger window.
    package var goodTime = Duration.seconds(2)
    /// What all calls of a node together may have beyond `windowMin`.
    package var growthMax = 64 << 20

    package init() {}
}
