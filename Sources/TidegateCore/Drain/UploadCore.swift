/// Decides which long bodies go to the object store when, and what follows from what the store said (protocol §4 step 2).
///
/// A body that fails stops all of them for a while: it is the store that is away. Meanwhile the proxy goes on, and rows
/// without long bodies are delivered, but for those behind one of the same gateway.
package struct UploadCore: Sendable {
    package enum Outcome: Sendable {
        case stored
        /// The file is gone or cut, or its gateway is gone.
        case lost
        /// The key holds another body: somebody else uses this stream's numbers.
        case conflict
        case failed
    }

    package enum Event: Sendable {
        /// There may be bodies, or the pause is over.
        case look
        /// The answer to `list`.
        case waiting([WaitingBody])
        case ended(WaitingBody, Outcome)
        case minted(Bool)
    }

    package enum Effect: Equatable, Sendable {
        case list(limit: Int)
        case upload(WaitingBody)
        case mintNewStream
        case wake(after: Duration)
    }

    private let settings: UploadSettings
    private var underWay: Set<WaitingBody.Place> = []
    private var failures = 0
    private var resumeAt = Duration.zero
    private var isMinting = false

    package init(settings: UploadSettings = UploadSettings()) { self.settings = settings }

    package mutating func handle(_ event: Event, at now: Duration) -> [Effect] {
        switch event {
        case .look: return list(at: now)
        case .waiting(let bodies):
            var effects: [Effect] = []
            for body in bodies where hasRoom(at: now) && underWay.insert(body.place).inserted {
                effects.append(.upload(body))
            }
            return effects
        case .ended(let body, let outcome):
            underWay.remove(body.place)
            switch outcome {
            case .stored, .lost: failures = 0
            case .conflict where !isMinting:
                isMinting = true
                return [.mintNewStream]
            case .conflict: return []
            case .failed: return pause(at: now)
            }
            return list(at: now)
        case .minted(let isDone):
            isMinting = false
            return isDone ? list(at: now) : pause(at: now)
        }
    }

    private func hasRoom(at now: Duration) -> Bool {
        !isMinting && underWay.count < settings.bodiesAtOnce && resumeAt <= now
    }

    /// Those under way may be on the list, too.
    private func list(at now: Duration) -> [Effect] {
        hasRoom(at: now) ? [.list(limit: settings.bodiesAtOnce + underWay.count)] : []
    }

    /// Doubles from failure to failure; several that fail together count once.
    private mutating func pause(at now: Duration) -> [Effect] {
        guard resumeAt <= now else { return [] }
        let pause = min(settings.retryMin * (1 << min(failures, 16)), settings.retryMax)
        failures += 1
        resumeAt = now + pause
        return [.wake(after: pause)]
    }
}

package struct UploadSettings: Sendable {
    /// Each holds a few parts in memory.
    package var bodiesAtOnce = 2
    package var retryMin = Duration.milliseconds(250)
    package var retryMax = Duration.seconds(15)

    package init() {}
}
