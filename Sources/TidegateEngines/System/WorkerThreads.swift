internal import Foundation
internal import Glibc
internal import TidegateCore

/// A fixed number of threads of our own and a bounded queue before them: work that blocks on a disk stays off the threads
/// that Swift's tasks and the event loops share (A39).
///
/// Safe because: `jobs`, `isClosing` and `threads` change only while `mutex` is held; `mutex` and `condition` are
/// allocated once and freed in `deinit`, when no thread is left.
final class WorkerThreads: @unchecked Sendable {
    typealias Job = @Sendable () -> Void

    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var jobs: [Job] = []
    private var head = 0
    private var isClosing = false
    private var threads: [pthread_t] = []
    private let jobsMax: Int

    init(name: String, count: Int, jobsMax: Int) throws(TidegateError) {
        self.jobsMax = jobsMax
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
        for _ in 0..<count {
            do throws(SystemFailure) {
                threads.append(try startThread(name: name) { self.run() })
            } catch {
                close()
                throw error.error
            }
        }
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// - Throws: `.overloaded` when the queue is full, `.unavailable` after `close`.
    func submit(_ job: @escaping Job) throws(TidegateError) {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        guard !isClosing else { throw TidegateError(.unavailable, "The engine is closed.") }
        guard jobs.count - head < jobsMax else {
            throw TidegateError(.overloaded, "\(jobsMax) operations wait for the disk already: try again later.")
        }
        jobs.append(job)
        pthread_cond_signal(condition)
    }

    /// Runs `body` on one of the threads. Cancellation does not interrupt it.
    func run<Value: Sendable>(
        _ body: @escaping @Sendable () throws(TidegateError) -> Value
    ) async throws(TidegateError) -> Value {
        let result: Result<Value, TidegateError> = await withCheckedContinuation { continuation in
            do throws(TidegateError) {
                try submit {
                    do throws(TidegateError) { continuation.resume(returning: .success(try body())) } catch {
                        continuation.resume(returning: .failure(error))
                    }
                }
            } catch { continuation.resume(returning: .failure(error)) }
        }
        return try result.get()
    }

    /// Lets queued jobs finish, then ends the threads and waits for them. Not from one of the threads.
    func close() {
        pthread_mutex_lock(mutex)
        isClosing = true
        let joined = threads
        threads = []
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(mutex)
        for thread in joined { pthread_join(thread, nil) }
    }

    private func run() {
        while let job = next() { job() }
    }

    private func next() -> Job? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while head == jobs.count {
            if isClosing { return nil }
            pthread_cond_wait(condition, mutex)
        }
        let job = jobs[head]
        head += 1
        if head == jobs.count || (head > 256 && head * 2 > jobs.count) {
            jobs.removeFirst(head)
            head = 0
        }
        return job
    }
}

/// Starts a thread that runs `body` and ends with it. `name` is what `top -H` and `perf` show: 15 bytes of it.
func startThread(name: String, _ body: @escaping @Sendable () -> Void) throws(SystemFailure) -> pthread_t {
    let box = Unmanaged.passRetained(ThreadBody(name: String(name.prefix(15)), body: body))
    var thread = pthread_t()
    let code = pthread_create(
        &thread, nil,
        { argument in
            let start = Unmanaged<ThreadBody>.fromOpaque(argument!).takeRetainedValue()
            Thread.current.name = start.name
            start.body()
            return nil
        }, box.toOpaque())
    guard code == 0 else {
        box.release()
        throw SystemFailure("pthread_create", name, code: code)
    }
    return thread
}

private final class ThreadBody: Sendable {
    let name: String
    let body: @Sendable () -> Void
    init(name: String, body: @escaping @Sendable () -> Void) { (self.name, self.body) = (name, body) }
}
