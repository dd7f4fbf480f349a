internal import Synchronization

/// Calls so far, for tests that ask `GET /mock/stats` whether an upstream call was made, ended or given up.
final class MockCounters: Sendable {
    private let arrived = Atomic<UInt64>(0)
    private let answered = Atomic<UInt64>(0)
    private let abandoned = Atomic<UInt64>(0)

    /// - Returns: the call's number, from 0.
    func arrive() -> UInt64 { arrived.wrappingAdd(1, ordering: .relaxed).oldValue }
    func answer() { answered.wrappingAdd(1, ordering: .relaxed) }
    /// The client left before its answer had ended.
    func abandon() { abandoned.wrappingAdd(1, ordering: .relaxed) }

    var json: String {
        """
        {"arrived":\(arrived.load(ordering: .relaxed)),"answered":\(answered.load(ordering: .relaxed)),\
        "abandoned":\(abandoned.load(ordering: .relaxed))}
        """
    }
}
