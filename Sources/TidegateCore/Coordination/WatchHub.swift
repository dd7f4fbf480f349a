internal import Synchronization

/// Feeds watches from one shared history. Each watch pulls at its own pace, so none needs a buffer of its own: one that
/// falls behind what the history keeps ends with `WatchCompacted`.
package final class WatchHub: Sendable {
    private struct State {
        var history: ChangeHistory
        var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var nextWaiter: UInt64 = 0
        var closed: TidegateError?
    }

    private let state: Mutex<State>

    package init(history: ChangeHistory) { state = Mutex(State(history: history)) }

    package func publish(_ batches: [WatchBatch]) {
        wake { state in for batch in batches { state.history.append(batch) } }
    }

    /// Forgets old changes; watches that still need them end.
    package func compact(through revision: Revision) { wake { $0.history.compact(through: revision) } }

    /// Ends every watch, present and future, with `error`.
    package func close(_ error: TidegateError) { wake { $0.closed = error } }

    package func watch(prefix: String, from: Revision) -> AsyncThrowingStream<WatchBatch, any Error> {
        let cursor = WatchCursor(from)
        return AsyncThrowingStream { try await self.next(prefix: prefix, cursor: cursor) }
    }

    private func next(prefix: String, cursor: WatchCursor) async throws -> WatchBatch? {
        while !Task.isCancelled {
            let from = cursor.revision.withLock { $0 }
            let (answer, closed) = state.withLock { ($0.history.next(prefix: prefix, from: from), $0.closed) }
            switch answer {
            case .batch(let batch):
                cursor.revision.withLock { $0 = batch.revision + 1 }
                return batch
            case .compacted(let oldestKept): throw WatchCompacted(oldestKept: oldestKept)
            case .upToDate(let next):
                if let closed { throw closed }
                cursor.revision.withLock { $0 = next }
                await waitForChange(behind: next)
            }
        }
        return nil
    }

    /// Returns when revision `next` exists, the hub closes, or the task is cancelled.
    private func waitForChange(behind next: Revision) async {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let ready = state.withLock { state in
                    if state.history.revision >= next || state.closed != nil || Task.isCancelled { return true }
                    state.waiters[id] = continuation
                    return false
                }
                if ready { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: id) }?.resume()
        }
    }

    private func wake(_ change: (inout State) -> Void) {
        let waiters = state.withLock { state in
            change(&state)
            defer { state.waiters.removeAll() }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.resume() }
    }
}

/// Where one watch stands: the next revision it has not seen.
private final class WatchCursor: Sendable {
    let revision: Mutex<Revision>
    init(_ revision: Revision) { self.revision = Mutex(revision) }
}
