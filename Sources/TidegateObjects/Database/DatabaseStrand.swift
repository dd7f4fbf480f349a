internal import Synchronization

/// The executor of one actor: its jobs run in order, on whichever thread of the group is free.
package final class DatabaseStrand: SerialExecutor {
    private struct State {
        var jobs: [UnownedJob] = []
        var isScheduled = false
    }

    private let state = Mutex(State())
    private let threads: DatabaseThreads

    package init(on threads: DatabaseThreads) { self.threads = threads }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let mustSchedule = state.withLock { state in
            state.jobs.append(job)
            defer { state.isScheduled = true }
            return !state.isScheduled
        }
        if mustSchedule { threads.submit(self) }
    }

    package func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    /// Runs what waits now; what comes meanwhile goes to the end of the line, behind other strands.
    func runWaitingJobs() {
        let jobs = state.withLock { state in
            defer { state.jobs = [] }
            return state.jobs
        }
        for job in jobs { job.runSynchronously(on: asUnownedSerialExecutor()) }
        let hasMore = state.withLock { state in
            state.isScheduled = !state.jobs.isEmpty
            return state.isScheduled
        }
        if hasMore { threads.submit(self) }
    }
}
