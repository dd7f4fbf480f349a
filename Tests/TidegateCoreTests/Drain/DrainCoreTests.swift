import Testing
import TidegateCore
import TidegateTestKit

/// An outbox and an owner in a few lines: the owner takes records in order, once, and refuses at random.
private struct DrainWorld {
    struct Batch { var gateway: GatewayUID, first: UInt64, count: Int }

    var core: DrainCore
    var generator: SeededGenerator
    var captured: [GatewayUID: UInt64] = [:]
    var acknowledged: [GatewayUID: UInt64] = [:]
    var committed: [GatewayUID: [UInt64]] = [:]
    var underWay: [Batch] = []
    var wakeAt: Duration?
    var now = Duration.zero
    var bytesInFlight = 0
    var bytesInFlightPeak = 0
    var newStreams = 0

    mutating func handle(_ event: DrainCore.Event) {
        var events = [event]
        while let event = events.popLast() {
            for effect in core.handle(event, at: now) {
                switch effect {
                case .read(let gateway, let from, let bytesMax): events.append(read(gateway, from, bytesMax))
                case .acknowledge(let gateway, let through):
                    #expect(through <= committed[gateway]?.last ?? 0, "acknowledged before it was committed")
                    acknowledged[gateway] = max(acknowledged[gateway] ?? 0, through)
                case .mintNewStream: newStreams += 1
                case .wake(let pause): wakeAt = min(wakeAt ?? .seconds(1_000_000), now + pause)
                }
            }
        }
    }

    mutating func read(_ gateway: GatewayUID, _ from: UInt64?, _ bytesMax: Int) -> DrainCore.Event {
        let first = from ?? (acknowledged[gateway] ?? 0) + 1
        let count = min(Int(captured[gateway] ?? 0) - Int(first) + 1, max(1, bytesMax / 10))
        guard count > 0 else { return .nothingToSend(gateway) }
        underWay.append(Batch(gateway: gateway, first: first, count: count))
        bytesInFlight += count * 10
        bytesInFlightPeak = max(bytesInFlightPeak, bytesInFlight)
        return .sent(gateway, firstSequence: first, count: count, bytes: count * 10)
    }

    /// The oldest batch under way is judged. Answers may be lost: then the owner has the rows, the drain hears `later`.
    mutating func answer(refusing: Bool) {
        guard !underWay.isEmpty else { return }
        let batch = underWay.removeFirst()
        bytesInFlight -= batch.count * 10
        var verdicts: [RecordVerdict] = []
        for sequence in batch.first..<(batch.first + UInt64(batch.count)) {
            let mark = committed[batch.gateway]?.last ?? 0
            if sequence <= mark {
                verdicts.append(.duplicate)
            } else if sequence > mark + 1 {
                verdicts.append(.expected(sequence: mark + 1))
            } else if refusing, Int.random(in: 0..<6, using: &generator) == 0 {
                verdicts.append(
                    [.later(after: .milliseconds(5), reason: .allowance), .moved].randomElement(using: &generator)!)
                if Bool.random(using: &generator) { committed[batch.gateway, default: []].append(sequence) }
            } else {
                committed[batch.gateway, default: []].append(sequence)
                verdicts.append(.committed)
            }
        }
        handle(.verdicts(batch.gateway, firstSequence: batch.first, bytes: batch.count * 10, verdicts))
    }

    mutating func tick() {
        now += .milliseconds(10)
        if let wake = wakeAt, wake <= now {
            wakeAt = nil
            handle(.tick)
        }
    }
}

@Suite("Outbox drain")
struct DrainCoreTests {
    @Test("every captured row is committed once and in order, whatever owners answer", arguments: UInt64(0)..<100)
    func everything(seed: UInt64) {
        var settings = DrainSettings()
        (settings.bytesInFlightMax, settings.gatewayBytesInFlightMax, settings.batchBytesMax) = (400, 200, 50)
        var world = DrainWorld(core: DrainCore(settings: settings), generator: SeededGenerator(seed: seed))
        let gateways = (1...3).map { GatewayUID(bits: UInt128($0)) }
        for round in 0..<3_000 {
            let isCalm = round > 1_500
            if !isCalm, let gateway = gateways.randomElement(using: &world.generator) {
                world.captured[gateway, default: 0] += 1
                world.handle(.recordsWaiting([gateway]))
            }
            if Bool.random(using: &world.generator) { world.answer(refusing: !isCalm) }
            world.tick()
        }
        for gateway in gateways {
            let rows = world.captured[gateway] ?? 0
            #expect(world.committed[gateway] ?? [] == Array(1...max(rows, 1)).filter { $0 <= rows })
            #expect(world.acknowledged[gateway] ?? 0 == rows)
        }
        #expect(world.bytesInFlightPeak <= settings.bytesInFlightMax + settings.batchBytesMax)
    }

    @Test("a gateway that must wait does not hold up another")
    func independence() {
        var core = DrainCore(settings: DrainSettings())
        let (slow, fast) = (GatewayUID(bits: 1), GatewayUID(bits: 2))
        _ = core.handle(.recordsWaiting([slow, fast]), at: .zero)
        _ = core.handle(.sent(slow, firstSequence: 1, count: 1, bytes: 10), at: .zero)
        _ = core.handle(.nothingToSend(fast), at: .zero)
        let refused = RecordVerdict.later(after: .seconds(60), reason: .allowance)
        let effects = core.handle(.verdicts(slow, firstSequence: 1, bytes: 10, [refused]), at: .zero)
        #expect(effects == [.wake(after: .seconds(60))])
        let others = core.handle(.recordsWaiting([slow, fast]), at: .seconds(1))
        #expect(others.contains(.read(fast, from: nil, bytesMax: DrainSettings().batchBytesMax)))
        #expect(!others.contains { if case .read(slow, _, _) = $0 { true } else { false } })
    }

    @Test("a fork asks for one new stream, and sends again under it")
    func fork() {
        var core = DrainCore(settings: DrainSettings())
        let gateway = GatewayUID(bits: 1)
        _ = core.handle(.recordsWaiting([gateway]), at: .zero)
        _ = core.handle(.sent(gateway, firstSequence: 5, count: 2, bytes: 20), at: .zero)
        _ = core.handle(.nothingToSend(gateway), at: .zero)
        let effects = core.handle(.verdicts(gateway, firstSequence: 5, bytes: 20, [.fork, .fork]), at: .zero)
        #expect(effects.filter { $0 == .mintNewStream }.count == 1)
        let again = core.handle(.tick, at: .seconds(1))
        #expect(again.contains(.read(gateway, from: nil, bytesMax: DrainSettings().batchBytesMax)))
    }

    @Test("a new stream waits for every batch that counts by the old one")
    func forkWaits() {
        var core = DrainCore(settings: DrainSettings())
        let (forked, other) = (GatewayUID(bits: 1), GatewayUID(bits: 2))
        _ = core.handle(.recordsWaiting([forked, other]), at: .zero)
        _ = core.handle(.sent(forked, firstSequence: 5, count: 1, bytes: 10), at: .zero)
        _ = core.handle(.sent(other, firstSequence: 1, count: 2, bytes: 20), at: .zero)
        _ = core.handle(.nothingToSend(forked), at: .zero)
        _ = core.handle(.nothingToSend(other), at: .zero)
        let told = core.handle(.verdicts(forked, firstSequence: 5, bytes: 10, [.fork]), at: .zero)
        #expect(!told.contains(.mintNewStream))
        // Nothing is sent meanwhile, however much waits.
        let waiting = core.handle(.recordsWaiting([forked, other]), at: .seconds(1))
        #expect(!waiting.contains { if case .read = $0 { true } else { false } })
        let last = core.handle(
            .verdicts(other, firstSequence: 1, bytes: 20, [.committed, .committed]), at: .seconds(1))
        #expect(last.prefix(2) == [.acknowledge(other, through: 2), .mintNewStream])
        #expect(last.contains(.read(other, from: nil, bytesMax: DrainSettings().batchBytesMax)))
    }
}
