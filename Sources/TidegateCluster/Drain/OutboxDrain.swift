package import Logging
internal import ServiceLifecycle
package import TidegateCore

/// Carries captured rows from the node's outbox to the owners of their gateways, until each is committed.
///
/// The shell of `DrainCore`: one task reads the outbox and hands batches over; owners' replies come in from any thread
/// through one bounded-by-credits channel.
package actor OutboxDrain: Service {
    private enum Input: Sendable {
        case records
        case verdicts(GatewayUID, firstSequence: UInt64, bytes: Int, [RecordVerdict])
        case tick
    }

    private let queue: any DeliveryQueue
    private let receiver: any RecordReceiver
    private let settings: DrainSettings
    private let logger: Logger
    private let clock = ContinuousClock()
    private let origin = ContinuousClock().now
    private var core: DrainCore
    private let inputs: AsyncStream<Input>
    private let input: AsyncStream<Input>.Continuation
    private var wakeAt: Duration?

    package init(
        queue: any DeliveryQueue, receiver: any RecordReceiver, settings: DrainSettings = DrainSettings(),
        logger: Logger
    ) {
        self.queue = queue
        self.receiver = receiver
        self.settings = settings
        self.logger = logger
        core = DrainCore(settings: settings)
        // At most one reply per batch in flight, one `records` and one `tick`: the credits bound it.
        (inputs, input) = AsyncStream.makeStream()
    }

    /// Runs until cancelled or shut down. At shutdown it goes on until the outbox is empty or `flushMax` has passed; what
    /// is not acknowledged then stays in the outbox for the next start.
    package func run() async throws {
        await withDiscardingTaskGroup { group in
            group.addTask { [queue, input, settings] in
                while !Task.isCancelled {
                    await queue.waitForRecords()
                    input.yield(.records)
                    try? await Task.sleep(for: settings.linger)
                }
                input.finish()
            }
            group.addTask { [input] in
                do {
                    try await gracefulShutdown()
                    await self.flush()
                } catch {}  // cancelled
                input.finish()
            }
            await self.work(timers: &group)
            group.cancelAll()
        }
    }

    private func work(timers: inout DiscardingTaskGroup) async {
        for await next in inputs {
            if Task.isCancelled { return }
            switch next {
            case .records: await step(.recordsWaiting(queue.gatewaysWithRecords()), timers: &timers)
            case .verdicts(let gateway, let first, let bytes, let verdicts):
                await step(
                    .verdicts(gateway, firstSequence: first, bytes: bytes, verdicts), timers: &timers)
            case .tick:
                wakeAt = nil
                await step(.tick, timers: &timers)
            }
        }
    }

    private func flush() async {
        let deadline = now + settings.flushMax
        while queue.statistics.pending > 0, now < deadline, !Task.isCancelled {
            input.yield(.records)
            try? await Task.sleep(for: settings.linger * 4)
        }
        let pending = queue.statistics.pending
        guard pending > 0 else { return }
        logger.warning(
            "Rows stay in the outbox until the next start", metadata: ["outbox.pending": "\(pending)"])
    }

    private var now: Duration { origin.duration(to: clock.now) }

    private func step(_ event: DrainCore.Event, timers: inout DiscardingTaskGroup) async {
        var events = [event]
        while let event = events.popLast() {
            for effect in core.handle(event, at: now) {
                switch effect {
                case .read(let gateway, let sequence, let bytesMax):
                    events.append(await send(gateway, from: sequence, bytesMax: bytesMax))
                case .acknowledge(let gateway, let sequence): queue.acknowledge(gateway, through: sequence)
                case .mintNewStream: await mintNewStream()
                case .wake(let pause): schedule(pause, timers: &timers)
                }
            }
        }
    }

    private func send(_ gateway: GatewayUID, from sequence: UInt64?, bytesMax: Int) async -> DrainCore.Event {
        do {
            guard
                let batch = try await queue.records(
                    of: gateway, from: sequence, recordsMax: settings.batchRecordsMax, bytesMax: bytesMax)
            else { return .nothingToSend(gateway) }
            let (bytes, first) = (batch.bytes, batch.firstSequence)
            receiver.submit(batch) { [input] verdicts in
                input.yield(.verdicts(gateway, firstSequence: first, bytes: bytes, verdicts))
            }
            return .sent(gateway, firstSequence: first, count: batch.records.count, bytes: bytes)
        } catch {
            logger.error(
                "Captured rows could not be read from the outbox, trying again",
                metadata: ["gateway.uid": "\(gateway)", "error": "\(error)"])
            return .readFailed(gateway)
        }
    }

    private func mintNewStream() async {
        logger.warning("Another outbox has used this stream's numbers, going on under a new stream")
        do {
            try await queue.mintNewStream()
        } catch {
            logger.error("No new stream could be made, trying again", metadata: ["error": "\(error)"])
        }
    }

    private func schedule(_ pause: Duration, timers: inout DiscardingTaskGroup) {
        let due = now + pause
        if let wakeAt, wakeAt <= due { return }
        wakeAt = due
        timers.addTask { [input] in
            try? await Task.sleep(for: pause)
            input.yield(.tick)
        }
    }
}
