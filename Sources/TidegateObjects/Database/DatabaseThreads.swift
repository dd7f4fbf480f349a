internal import Foundation

/// A few threads that run what may block on SQLite, so that the cooperative pool never does (A39). Shared by all
/// databases of a node: one strand each, and a strand runs on one thread at a time.
package final class DatabaseThreads: Sendable {
    private let work = SharedWork()

    /// - Parameter count: threads, at least one. They end when the last strand and this value are gone.
    package init(label: String, count: Int) {
        let work = work
        for index in 0..<max(1, count) {
            let thread = Thread {
                // On Linux only a thread itself can tell the kernel its name.
                Thread.current.name = "\(label)-\(index)"
                work.run()
            }
            thread.stackSize = 4 << 20
            thread.start()
        }
    }

    deinit { work.stop() }

    func submit(_ strand: DatabaseStrand) { work.submit { strand.runWaitingJobs() } }

    /// Runs what blocks and belongs to no actor.
    func perform<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            work.submit { continuation.resume(with: Result { try body() }) }
        }
    }
}

/// What waits for a thread. Safe because `condition` guards every field.
private final class SharedWork: @unchecked Sendable {
    private let condition = NSCondition()
    private var waiting: [@Sendable () -> Void] = []
    private var isStopped = false

    func submit(_ job: @escaping @Sendable () -> Void) {
        condition.lock()
        waiting.append(job)
        condition.signal()
        condition.unlock()
    }

    func stop() {
        condition.lock()
        isStopped = true
        condition.broadcast()
        condition.unlock()
    }

    func run() {
        while let job = next() { job() }
    }

    private func next() -> (@Sendable () -> Void)? {
        condition.lock()
        defer { condition.unlock() }
        while waiting.isEmpty {
            if isStopped { return nil }
            condition.wait()
        }
        return waiting.removeFirst()
    }
}
