internal import TidegateCore

/// Moves the heads of a node's slots, as many as are ready in one transaction (protocol §4.7).
///
/// The answer is "committed" or "find out": whoever gets the latter reads its own slot again and decides (A4).
actor NodeCommitter {
    struct Request: Sendable {
        var compare: [CoordinationTransaction.Comparison]
        var put: CoordinationTransaction.Operation
    }
    enum Answer: Sendable, Equatable {
        case committed(Revision)
        case unclear
    }

    private let store: any CoordinationStore
    /// The seam counts comparisons and puts together (A35): three a slot.
    static let slotsMax = CoordinationTransaction.operationsMax / 3
    private enum Turn: Sendable {
        case answered(Answer)
        /// Commit your own request and those behind it.
        case lead
    }
    private var waiting: [(request: Request, turn: CheckedContinuation<Turn, Never>)] = []
    private var isRunning = false

    init(store: any CoordinationStore) { self.store = store }

    /// What comes while a transaction is under way goes into the next one together; the longest waiting carries it out.
    func commit(_ request: Request) async -> Answer {
        if isRunning {
            let turn = await withCheckedContinuation { waiting.append((request, $0)) }
            if case .answered(let answer) = turn { return answer }
        }
        isRunning = true
        let others = Array(waiting.prefix(Self.slotsMax - 1))
        waiting.removeFirst(others.count)
        let answers = await run([request] + others.map(\.request))
        for (item, answer) in zip(others, answers.dropFirst()) { item.turn.resume(returning: .answered(answer)) }
        if waiting.isEmpty { isRunning = false } else { waiting.removeFirst().turn.resume(returning: .lead) }
        return answers[0]
    }

    private func run(_ requests: [Request]) async -> [Answer] {
        let together = CoordinationTransaction(
            compare: requests.flatMap(\.compare), then: requests.map(\.put))
        do throws(TidegateError) {
            let outcome = try await store.commit(together)
            if outcome.succeeded { return requests.map { _ in .committed(outcome.revision) } }
        } catch {
            return requests.map { _ in .unclear }
        }
        guard requests.count > 1 else { return [.unclear] }
        var answers: [Answer] = []
        for request in requests { answers += await run([request]) }  // one of them is fenced: not the others' fault
        return answers
    }
}
