/// Whom gossip knows. Advice, never a reason to write anything that ownership rests on.
package protocol MemberList: Sendable {
    /// Processes that are taken for dead, as 32 hexadecimal digits.
    var deadIncarnations: Set<String> { get }
    /// For people: `/status`.
    var members: [MemberView] { get }
}

package struct MemberView: Equatable, Sendable {
    package var node: String
    package var region: String
    /// `alive`, `suspect`, `dead` or `left`.
    package var state: String
    package init(node: String, region: String, state: String) {
        self.node = node
        self.region = region
        self.state = state
    }
}

/// A node without gossip: it knows nobody but itself.
package struct NoMembers: MemberList {
    private let own: MemberView
    package init(_ own: MemberView) { self.own = own }
    package var deadIncarnations: Set<String> { [] }
    package var members: [MemberView] { [own] }
}
