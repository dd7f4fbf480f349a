package import Logging
internal import Metrics
internal import ServiceLifecycle
package import TidegateCore

/// Brings long bodies from the outbox's files to the object store; their rows are delivered behind them. The shell of
/// `UploadCore`. What is under way at its end begins again at the next start: the same bytes under the same key.
package actor BodyUploader: Service {
    private let queue: any BodyQueue
    private let store: any ObjectStore
    private let coordination: any CoordinationStore
    private let keys: CoordinationKeys
    private let logger: Logger
    private let clock = ContinuousClock()
    private let origin = ContinuousClock().now
    private var core: UploadCore
    private let events: AsyncStream<UploadCore.Event>
    private let event: AsyncStream<UploadCore.Event>.Continuation
    private let stored = Counter(label: "tidegate_bodies_stored_total")
    private let storedBytes = Counter(label: "tidegate_body_bytes_stored_total")
    private let failures = Counter(label: "tidegate_body_store_failures_total")

    package init(
        queue: any BodyQueue, store: any ObjectStore, coordination: any CoordinationStore, keys: CoordinationKeys,
        settings: UploadSettings = UploadSettings(), logger: Logger
    ) {
        (self.queue, self.store, self.coordination, self.keys) = (queue, store, coordination, keys)
        self.logger = logger
        core = UploadCore(settings: settings)
        // At most one `look`, one `minted` and an `ended` for each upload wait in it.
        (events, event) = AsyncStream.makeStream()
    }

    /// Runs until cancelled or shut down, and then at once: the drain before it has waited for what it could.
    package func run() async throws {
        await cancelWhenGracefulShutdown { await self.serve() }
        // A service that ends stops the node: an outbox that closed early is not this one's business.
        try? await gracefulShutdown()
    }

    private func serve() async {
        await withDiscardingTaskGroup { group in
            group.addTask { [queue, event] in
                for await _ in queue.bodyNews { event.yield(.look) }
            }
            await work(&group)
            group.cancelAll()
        }
    }

    private func work(_ group: inout DiscardingTaskGroup) async {
        for await next in events {
            if Task.isCancelled { return }
            var pending = [next]
            while let event = pending.popLast() {
                for effect in core.handle(event, at: origin.duration(to: clock.now)) {
                    switch effect {
                    case .list(let limit): pending.append(.waiting(queue.waitingBodies(limit: limit)))
                    case .upload(let body):
                        group.addTask { self.event.yield(.ended(body, await self.upload(body))) }
                    case .mintNewStream:
                        group.addTask { self.event.yield(.minted(await self.mintNewStream())) }
                    case .wake(let pause):
                        group.addTask { [event = self.event] in
                            try? await Task.sleep(for: pause)
                            event.yield(.look)
                        }
                    }
                }
            }
        }
    }

    private nonisolated func upload(_ body: WaitingBody) async -> UploadCore.Outcome {
        let key = keys.bodyObject(body.place.gateway, body.stream, intent: body.intent, body.place.part)
        do throws(TidegateError) {
            guard let path = try await queue.file(of: body) else {
                queue.lost(body)
                return .lost
            }
            FaultPoint.beforeBodyPut.reached()
            try await store.put(contentsOf: path, at: key)
            FaultPoint.afterBodyPut.reached()
            // Asked behind the put: whoever purges the gateway later finds the object, who purged it before did not.
            if try await coordination.get(keys.gone(body.place.gateway)) != nil {
                try await store.delete(key)
                queue.unneeded(body)
                return .lost
            }
            queue.stored(body, at: key)
            stored.increment()
            storedBytes.increment(by: body.bytes)
            return .stored
        } catch {
            if Task.isCancelled { return .failed }
            failures.increment()
            if error.code == .conflict {
                logger.warning(
                    "Another outbox has stored a body under this stream's number", metadata: ["key": "\(key)"])
                return .conflict
            }
            logger.warning("A body was not stored, trying again", metadata: ["key": "\(key)", "error": "\(error)"])
            return .failed
        }
    }

    private nonisolated func mintNewStream() async -> Bool {
        do throws(TidegateError) {
            try await queue.mintNewStream()
            return true
        } catch {
            logger.error("No new stream could be made, trying again", metadata: ["error": "\(error)"])
            return false
        }
    }
}
