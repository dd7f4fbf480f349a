import Foundation
import Glibc

/// Runs `body` on a thread of its own, behind everything else that wants a core: minutes of computing must neither block
/// the threads on which other tests wait, nor make their clocks look slow.
func onThread<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
    await withCheckedContinuation { continuation in
        let thread = Thread {
            setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10)  // on Linux: of this thread
            continuation.resume(returning: body())
        }
        thread.stackSize = 16 << 20
        thread.start()
    }
}
