internal import Foundation
internal import Glibc
internal import Synchronization
internal import TidegateCore

/// Makes a debug build die by SIGKILL at a named place: `TIDEGATE_FAULT=afterPut:3` is the third time it is reached.
enum FaultInjection {
    static func install(environment: [String: String] = ProcessInfo.processInfo.environment) throws(TidegateError) {
        #if DEBUG
            guard let text = environment["TIDEGATE_FAULT"], !text.isEmpty else { return }
            let parts = text.split(separator: ":")
            guard parts.count == 2, let point = FaultPoint(rawValue: String(parts[0])), let count = Int(parts[1]),
                count > 0
            else {
                let names = FaultPoint.allCases.map(\.rawValue).joined(separator: ", ")
                throw TidegateError(.invalidConfiguration, "TIDEGATE_FAULT is POINT:COUNT; points are \(names).")
            }
            let left = Mutex(count)
            FaultPoint.install { reached in
                guard reached == point else { return }
                let isNow = left.withLock { left in
                    left -= 1
                    return left == 0
                }
                if isNow { kill(getpid(), SIGKILL) }
            }
        #endif
    }
}
