internal import Synchronization
internal import TidegateCore

/// Which databases hold connections now, and which of them was used longest ago.
final class OpenDatabases: Sendable {
    private struct State {
        var handles: [GatewayUID: GatewayLog] = [:]
        /// Of those with connections: when they were last used.
        var uses: [GatewayUID: UInt64] = [:]
        var now: UInt64 = 0
    }

    private let state = Mutex(State())
    private let connectedMax: Int

    init(connectedMax: Int) { self.connectedMax = max(1, connectedMax) }

    func handle(_ gateway: GatewayUID, make: () -> GatewayLog) -> GatewayLog {
        state.withLock { state in
            if let known = state.handles[gateway] { return known }
            let handle = make()
            state.handles[gateway] = handle
            return handle
        }
    }

    /// Notes a use that needs connections.
    /// - Returns: the database that must give its connections up first, if too many hold some.
    func touch(_ gateway: GatewayUID) -> GatewayLog? {
        state.withLock { state in
            state.now += 1
            state.uses[gateway] = state.now
            guard state.uses.count > connectedMax,
                let oldest = state.uses.min(by: { $0.value < $1.value })?.key, oldest != gateway
            else { return nil }
            state.uses[oldest] = nil
            return state.handles[oldest]
        }
    }

    func forget(_ gateway: GatewayUID, _ handle: GatewayLog) {
        state.withLock { state in
            guard state.handles[gateway] === handle else { return }
            state.handles[gateway] = nil
            state.uses[gateway] = nil
        }
    }

    var handles: [GatewayLog] { state.withLock { Array($0.handles.values) } }
    var connectedCount: Int { state.withLock { $0.uses.count } }
}
