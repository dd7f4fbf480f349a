internal import CoreMetrics
internal import Logging
internal import TidegateCore

/// Carries out what `ClaimCore` decides: asks the stores, fetches the log, and hands its objects on in order.
struct SlotClaimer: Sendable {
    /// What a claim ends with.
    struct Outcome: Sendable {
        var claimed: ClaimCore.Claimed
        /// The snapshot that recovery started from.
        var manifest: SnapshotManifest?
    }

    /// Where the recovered state goes.
    protocol Target: AnyObject, Sendable {
        /// Called once, before the first `replay`.
        func start(from manifest: SnapshotManifest?) async
        func replay(_ object: LogObject) async throws(TidegateError)
    }

    private enum Result: Sendable {
        case event(ClaimCore.Event)
        case object(LogIndex, FetchedObject)
        case manifest(SnapshotManifest)
        case ready(ClaimCore.Claimed)
        case failed(TidegateError)
        case nothing
    }

    private struct FetchedObject: Sendable {
        var decoded: LogObject
        var bytes: [UInt8]
    }

    let slot: SlotID
    let world: SlotWorld
    private let seen: Epoch?
    private let origin = ContinuousClock.now

    init(_ slot: SlotID, world: SlotWorld, seen: Epoch? = nil) {
        self.slot = slot
        self.world = world
        self.seen = seen
    }

    private var now: Duration { origin.duration(to: .now) }

    /// Throws `TidegateError`s; untyped because of what typed ones do to async functions with large results.
    func run(into target: any Target) async throws -> Outcome {
        var core = ClaimCore(
            slot, keys: world.keys, incarnation: world.incarnation, nowMs: world.clock.milliseconds(),
            settings: world.settings.slot, seen: seen)
        var objects: [LogIndex: FetchedObject] = [:]
        var manifest: SnapshotManifest?
        var hasStarted = false
        return try await withThrowingTaskGroup(of: Result.self) { group in
            group.addTask { .event(.start) }
            while let result = try await group.next() {
                let event: ClaimCore.Event
                switch result {
                case .event(let other): event = other
                case .object(let n, let object):
                    objects[n] = object
                    event = .fetched(n, crc: object.decoded.crc, previousCRC: object.decoded.previousCRC)
                case .manifest(let found):
                    manifest = found
                    event = .manifest(logCRC: found.logCRC)
                case .ready(let claimed):
                    if !hasStarted { await target.start(from: manifest) }
                    group.cancelAll()
                    return Outcome(claimed: claimed, manifest: manifest)
                case .failed(let error): throw error
                case .nothing: continue
                }
                for effect in core.handle(event, at: now) {
                    if case .apply(let n, let isGuarded, let delay) = effect {
                        guard let object = objects[n] else { continue }
                        if !hasStarted { await target.start(from: manifest) }
                        hasStarted = true
                        group.addTask {
                            try? await Task.sleep(for: delay)
                            do throws(TidegateError) {
                                try await target.replay(isGuarded ? try await tried(object) : object.decoded)
                            } catch {
                                world.logger.error(
                                    "Log object not applied, trying again", metadata: ["error": "\(error)"])
                                return .event(.applyFailed(n))
                            }
                            return .event(.applied(n))
                        }
                    } else {
                        if case .hole(let n) = effect { objects[n] = nil }
                        group.addTask { await carryOut(effect) }
                    }
                }
                if case .applied(let n) = event { objects[n] = nil }
            }
            throw TidegateError(.internalError, "The claim of \(slot) ended without an outcome.")
        }
    }

    /// The object with what ends its appliers marked (A13).
    private func tried(_ object: FetchedObject) async throws(TidegateError) -> LogObject {
        let poison = try await world.entryGuard.poison(in: object.bytes)
        guard !poison.isEmpty else { return object.decoded }
        world.logger.critical(
            "Entries that end the process are set aside",
            metadata: ["slot": "\(slot)", "n": "\(object.decoded.n)", "entries": "\(poison.count)"])
        world.metrics.poison.increment(by: poison.count)
        var marked = object.decoded
        for section in marked.sections.indices {
            for entry in marked.sections[section].entries.indices {
                let lsn = marked.sections[section].entries[entry].lsn
                marked.sections[section].entries[entry].isPoison = poison.contains(lsn)
            }
        }
        return marked
    }

    private func carryOut(_ effect: ClaimCore.Effect) async -> Result {
        switch effect {
        case .read(let delay):
            return await asking(after: delay, failing: .readFailed) { store throws(TidegateError) in
                .read(try await store.commit(SlotClaim.reading(slot, keys: world.keys)).reads)
            }
        case .claim(let transaction):
            return await asking(after: .zero, failing: .notClaimed) { store throws(TidegateError) in
                let outcome = try await store.commit(transaction)
                FaultPoint.afterClaim.reached()
                return outcome.succeeded ? .claimed(outcome.revision) : .notClaimed
            }
        case .readOwner(let delay):
            return await asking(after: delay, failing: .ownerFailed) { store throws(TidegateError) in
                .owner(try await store.get(world.keys.owner(slot)))
            }
        case .loadManifest(let pointer, let delay): return await load(pointer, after: delay)
        case .fetch(let n, let step, let delay): return await fetch(n, step, after: delay)
        case .hole(let n):
            world.logger.critical(
                "A committed log object is lost; its rows are missing from here on",
                metadata: ["slot": "\(slot)", "n": "\(n)"])
            world.metrics.holes.increment()
            return .nothing
        case .ready(let claimed): return .ready(claimed)
        case .failed(let error): return .failed(error)
        case .apply: return .nothing
        }
    }

    private func asking(
        after delay: Duration, failing: ClaimCore.Event,
        _ body: @Sendable (any CoordinationStore) async throws(TidegateError) -> ClaimCore.Event
    ) async -> Result {
        do throws(TidegateError) {
            if delay > .zero { try? await Task.sleep(for: delay) }
            return .event(try await body(world.coordination))
        } catch {
            world.logger.warning(
                "The coordination store did not answer", metadata: ["slot": "\(slot)", "error": "\(error)"])
            return .event(failing)
        }
    }

    private func load(_ pointer: SnapshotPointer, after delay: Duration) async -> Result {
        if delay > .zero { try? await Task.sleep(for: delay) }
        do throws(TidegateError) {
            return .manifest(try SnapshotManifest(decoding: try await world.store.get(pointer.manifest), of: pointer))
        } catch {
            world.logger.error("Snapshot cannot be read", metadata: ["slot": "\(slot)", "error": "\(error)"])
            return .event(error.code == .notFound || error.code == .corrupt ? .manifestLost : .manifestFailed)
        }
    }

    private func fetch(_ n: LogIndex, _ step: LineageStep, after delay: Duration) async -> Result {
        if delay > .zero { try? await Task.sleep(for: delay) }
        do throws(TidegateError) {
            let bytes = try await world.store.get(world.keys.logObject(slot, step, n: n))
            let object = try LogObject(decoding: bytes)
            guard object.slot == slot, object.epoch == step.epoch, object.n == n else {
                throw TidegateError(.corrupt, "Log object \(n) of \(slot) is another one.")
            }
            return .object(n, FetchedObject(decoded: object, bytes: bytes))
        } catch {
            world.logger.warning("Log object cannot be read", metadata: ["slot": "\(slot)", "error": "\(error)"])
            return .event(error.code == .notFound || error.code == .corrupt ? .lost(n) : .fetchFailed(n))
        }
    }
}
