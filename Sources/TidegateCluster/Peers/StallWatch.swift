internal import Synchronization
internal import TidegateCore

/// Ends work that waits too long for the other side of a call: a reader that stands still, a peer that says nothing.
final class StallWatch: Sendable {
    private let since = Mutex<ContinuousClock.Instant?>(nil)
    private let limit: Duration
    private let clock = ContinuousClock()

    init(limit: Duration) { self.limit = limit }

    /// The other side's turn.
    func waiting<Value: Sendable>(_ turn: () async throws -> Value) async throws -> Value {
        theirTurn()
        defer { ourTurn() }
        return try await turn()
    }

    func theirTurn() { since.withLock { $0 = clock.now } }
    func ourTurn() { since.withLock { $0 = nil } }

    /// Carries out `work`, which calls `waiting`, and cancels it when that takes longer than the limit.
    /// - Parameter isWaiting: it is the other side's turn from the beginning, until `work` first calls `waiting`.
    func guarding<Value: Sendable>(
        isWaiting: Bool = false, _ work: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        if isWaiting { theirTurn() }
        return try await withThrowingTaskGroup(of: Value?.self) { group in
            group.addTask { try await work() }
            group.addTask {
                while true {
                    try await Task.sleep(for: self.limit / 4, clock: self.clock)
                    if let since = self.since.withLock({ $0 }), since.duration(to: self.clock.now) >= self.limit {
                        throw TidegateError(.deadlineExceeded, "the other side stood still for \(self.limit)")
                    }
                }
            }
            defer { group.cancelAll() }
            while let value = try await group.next() {
                if let value { return value }
            }
            throw CancellationError()
        }
    }
}
