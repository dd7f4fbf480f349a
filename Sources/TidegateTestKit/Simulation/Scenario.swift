/// What kind of world a run plays in.
package enum Scenario: String, CaseIterable, Sendable {
    /// Clients and every fault that loses nothing which was promised.
    case standard
    /// The object store loses a committed object: whoever recovers has to say so (A8).
    case lostObject = "lost_object"
    /// Two machines start from one image, outbox included: their streams fork (A11).
    case clonedOutbox = "cloned_outbox"
}

extension Mutant {
    /// Where it shows.
    package var scenario: Scenario { self == .skiphole ? .lostObject : .standard }
}

extension Coverage {
    /// Where it is met.
    package var scenario: Scenario {
        switch self {
        case .hole: .lostObject
        case .fork, .forkedAway: .clonedOutbox
        default: .standard
        }
    }
}
