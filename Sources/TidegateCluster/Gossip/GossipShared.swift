internal import Synchronization
internal import TidegateCore

/// What the driver on its event loop shows to everybody else.
final class GossipShared: Sendable {
    private struct State {
        var membership: GossipMembership
        var counts = GossipCounts()
        var listeners: [Int: AsyncStream<Member>.Continuation] = [:]
        var listenersMade = 0
        var isStopping = false
    }

    private let state: Mutex<State>

    /// Changes that a listener may leave unread.
    static let unreadMax = 4_096

    init(own: Member) { state = Mutex(State(membership: GossipMembership(own: own))) }

    var membership: GossipMembership { state.withLock(\.membership) }
    var counts: GossipCounts { state.withLock(\.counts) }
    var isStopping: Bool { state.withLock(\.isStopping) }

    func publish(_ membership: GossipMembership) { state.withLock { $0.membership = membership } }
    func count(_ change: (inout GossipCounts) -> Void) { state.withLock { change(&$0.counts) } }

    /// - Returns: how many listeners lost an older change over it.
    func tell(_ member: Member) -> Int {
        let listeners = state.withLock { Array($0.listeners.values) }
        return listeners.reduce(0) { lost, listener in
            if case .dropped = listener.yield(member) { lost + 1 } else { lost }
        }
    }

    func listen() -> AsyncStream<Member> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: Member.self, bufferingPolicy: .bufferingNewest(Self.unreadMax))
        let number: Int? = state.withLock { state in
            guard !state.isStopping else { return nil }
            state.listenersMade += 1
            state.listeners[state.listenersMade] = continuation
            return state.listenersMade
        }
        guard let number else {
            continuation.finish()
            return stream
        }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { $0.listeners[number] = nil }
        }
        return stream
    }

    func stop() {
        let listeners = state.withLock { state in
            state.isStopping = true
            defer { state.listeners = [:] }
            return Array(state.listeners.values)
        }
        for listener in listeners { listener.finish() }
    }
}
