internal import Glibc
internal import Logging
internal import Metrics
internal import Synchronization
package import TidegateCore

// Long bodies: written while their call runs, stored before their row is delivered.
extension Outbox {
    package func openBody(_ part: BodyPart, of ticket: CaptureTicket) -> (any BodyFile)? {
        let mayWrite = state.withLock { $0.failure == nil && !$0.isClosing && $0.core.isOpen(ticket) }
        // A body must not take the room that rows need.
        guard mayWrite, freeBytes() >= settings.freeBytesMin else { return nil }
        do throws(SystemFailure) {
            let file = try OutboxBodyWriter(self, ticket, bodies.path(ticket.intent, part))
            metrics.bodies.increment()
            return file
        } catch {
            bodyFailed(error)
            return nil
        }
    }

    func reserveBody(_ bytes: Int, for ticket: CaptureTicket) -> Bool {
        state.withLock { $0.core.reserveBody(bytes, for: ticket) }
    }

    func releaseBody(_ bytes: Int) { state.withLock { $0.core.releaseBody(bytes) } }

    func bodyFailed(_ failure: SystemFailure) {
        metrics.bodyFailures.increment()
        logger.warning("A long body could not be kept; its row is cut", metadata: ["error": "\(failure)"])
    }

    package func waitingBodies(limit: Int) -> [WaitingBody] { state.withLock { $0.core.waitingBodies(limit: limit) } }

    package func file(of body: WaitingBody) async throws(TidegateError) -> String? {
        let path = bodies.path(body.intent, body.place.part)
        return try await readers.run { () throws(TidegateError) in
            do throws(SystemFailure) {
                let size = try FileDescriptor(opening: path, O_RDONLY).size(path: path)
                return size == body.bytes ? path : nil
            } catch {
                guard error.code == ENOENT else { throw error.error }
                return nil
            }
        }
    }

    package func stored(_ body: WaitingBody, at key: String) { settle(body, .stored(key: key)) }

    package func lost(_ body: WaitingBody) {
        logger.error(
            "A captured body is not whole on disk; its row is delivered without it",
            metadata: ["gateway": "\(body.place.gateway)", "intent": "\(body.intent)"])
        metrics.lostBodies.increment()
        settle(body, .lost)
    }

    package func unneeded(_ body: WaitingBody) { settle(body, .lost) }

    private func settle(_ body: WaitingBody, _ result: OutboxBodies.State) {
        let waiters = state.withLock { state in
            state.core.settle(body, result)
            defer { state.waiters = [:] }
            state.hasNews = state.waiters.isEmpty
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.resume() }
    }
}
