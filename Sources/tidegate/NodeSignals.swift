import Foundation
import Logging
import TidegateNode
import UnixSignals

/// Runs a node and listens to signals meanwhile.
struct NodeSignals: Sendable {
    let node: Node
    let logger: Logger

    private static let oneSignal = Duration.milliseconds(500)

    func run(
        reload: @escaping @Sendable () throws -> ServeSettings, whenReady: @escaping @Sendable () -> Void
    ) async throws {
        // The sequence is made before the node runs, so that no signal meets the default action in between.
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
        let listener = Task {
            var stoppingSince: ContinuousClock.Instant?
            for await signal in signals {
                if signal == .sighup {
                    self.reload(reload)
                } else if let since = stoppingSince {
                    // Wrappers like `timeout` signal the process and its group: two at once are meant as one.
                    guard ContinuousClock.now - since > Self.oneSignal else { continue }
                    logger.warning("Stopping at once: rows that were captured are delivered at the next start")
                    // 128 + SIGTERM, what a shell reports of a process that a signal ended.
                    _exit(143)
                } else {
                    stoppingSince = .now
                    logger.notice("Draining; a second signal stops at once")
                    Task { await node.stop() }
                }
            }
        }
        defer { listener.cancel() }
        try await node.run(whenReady: whenReady)
    }

    private func reload(_ load: () throws -> ServeSettings) {
        do {
            let settings = try load()
            try node.reload(settings)
            logger.notice("Configuration read again: providers and prices are in effect, anything else needs a restart")
        } catch {
            logger.error("Configuration kept as it was", metadata: ["error": "\(error)"])
        }
    }
}
