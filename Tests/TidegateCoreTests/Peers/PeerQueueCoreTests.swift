import Testing
import TidegateCore

@Suite("Parcels that wait for a peer")
struct PeerQueueCoreTests {
    private var core: PeerQueueCore
    private var answers: [UInt64: [RecordVerdict]] = [:]
    private var failures: [UInt64: PeerFailure] = [:]
    private var sent: [UInt64] = []
    private var opened = 0
    private var hangUps: [PeerFailure?] = []

    private static var settings: PeerQueueSettings {
        var settings = PeerQueueSettings()
        settings.bytesMax = 20_000
        settings.parcelsMax = 100
        settings.parcelCostMax = 10_000
        settings.answerWithin = .seconds(10)
        settings.pauseMin = .milliseconds(100)
        settings.pauseMax = .seconds(2)
        settings.idleMax = .seconds(60)
        return settings
    }

    init() { core = PeerQueueCore(settings: Self.settings) }

    private static func batch(_ records: Int = 1, bytes: Int = 100) -> DeliveryBatch {
        DeliveryBatch(
            stream: StreamID(bits: 1), gateway: GatewayUID(bits: 2), firstSequence: 1,
            records: Array(repeating: [UInt8](repeating: 0, count: bytes)[...], count: records), resolvedBelow: 0)
    }

    private mutating func step(_ event: PeerQueueCore.Event, at seconds: Double = 0) {
        for effect in core.handle(event, at: .milliseconds(Int64(seconds * 1_000))) {
            switch effect {
            case .open: opened += 1
            case .send(let parcels): sent += parcels.map(\.ticket)
            case .answer(let ticket, let verdicts, let failure):
                #expect(answers[ticket] == nil, "answered twice")
                answers[ticket] = verdicts
                if let failure { failures[ticket] = failure }
            case .hangUp(let failure): hangUps.append(failure)
            }
        }
    }

    private mutating func submit(_ batch: DeliveryBatch = batch(), at seconds: Double = 0) -> UInt64 {
        defer { step(.submitted(batch, relay: nil), at: seconds) }
        return core.nextTicket
    }

    @Test("the first parcel opens a call; parcels go out in order, as long as any credit is left")
    mutating func order() {
        let tickets = (0..<5).map { _ in submit() }
        #expect(opened == 1)
        step(.opened)
        #expect(sent == [])
        step(.granted(1))
        #expect(sent == [tickets[0]], "one goes although it costs more than the credit")
        step(.granted(Self.cost - 1))
        #expect(sent == [tickets[0]], "what was overdrawn is owed")
        step(.granted(2 * Self.cost))
        #expect(sent == Array(tickets[0...2]))
        step(.granted(1 << 20))
        #expect(sent == tickets)
        #expect(opened == 1)
    }

    private static let cost = PeerParcel(ticket: 1, batch: batch(), relay: nil).cost

    @Test("verdicts reach their parcel; a call that breaks answers the rest at once, sent or not")
    mutating func breaking() {
        let tickets = (0..<4).map { _ in submit() }
        step(.opened)
        step(.granted(3 * Self.cost))
        step(.decided(ticket: tickets[1], [.committed]))
        #expect(answers == [tickets[1]: [.committed]])
        step(.broken(jitter: 0), at: 1)
        let later: [RecordVerdict] = [.later(after: .milliseconds(100), reason: .unreachable)]
        #expect(answers == [tickets[0]: later, tickets[1]: [.committed], tickets[2]: later, tickets[3]: later])
        #expect(core.isIdle)
        step(.decided(ticket: tickets[0], [.committed]), at: 1)
        #expect(answers[tickets[0]] == later)
    }

    @Test("while a peer cannot be reached senders are told when to come again, and pauses double")
    mutating func resting() {
        var now = 0.0
        var pauses: [Double] = []
        for _ in 0..<7 {
            let ticket = submit(at: now)
            step(.broken(jitter: 0.5), at: now)
            guard case .later(let pause, .unreachable)? = answers[ticket]?.first else { return #expect(Bool(false)) }
            pauses.append(Double(pause.components.attoseconds) / 1e18 + Double(pause.components.seconds))
            let early = submit(at: now + 0.01)
            #expect(failures[early] == .unreachable)
            now += (pauses.last ?? 0) + 0.001  // sums of fractions fall short
        }
        #expect(pauses == [0.15, 0.3, 0.6, 1.2, 2.4, 3, 3])
        #expect(opened == 7)
        let ticket = submit(at: now)
        step(.opened, at: now)
        step(.granted(10_000), at: now)
        step(.decided(ticket: ticket, [.committed]), at: now)
        _ = submit(at: now)
        let next = core.nextTicket - 1
        step(.broken(jitter: 0), at: now)
        #expect(
            answers[next] == [.later(after: .milliseconds(100), reason: .unreachable)], "a verdict forgives failures")
    }

    @Test("a parcel whose time is up is answered, others go on; verdicts that come after are not heard")
    mutating func late() {
        let slow = submit(at: 0)
        step(.opened, at: 0)
        step(.granted(10_000), at: 0)
        let quick = submit(at: 5)
        step(.tick, at: 9.9)
        #expect(answers.isEmpty)
        step(.decided(ticket: quick, [.duplicate]), at: 9.9)
        step(.tick, at: 10)
        #expect(failures == [slow: .late])
        #expect(hangUps == [])
        step(.decided(ticket: slow, [.committed]), at: 11)
        #expect(failures == [slow: .late])
    }

    @Test("a peer that says nothing is given up, also while the call is being made")
    mutating func silent() {
        let ticket = submit(at: 0)
        step(.tick, at: 10)
        #expect(failures == [ticket: .late])
        #expect(hangUps == [.silent])
        step(.broken(jitter: 0), at: 10)
        _ = submit(at: 11)
        step(.opened, at: 11)
        step(.granted(10_000), at: 11)
        step(.tick, at: 21)
        #expect(hangUps == [.silent, .silent])
    }

    @Test("nothing waits beyond the bounds: too much, too many, too large")
    mutating func bounds() {
        for _ in 0..<2 { _ = submit(Self.batch(bytes: 8_000)) }
        #expect(failures.isEmpty)
        let third = submit(Self.batch(bytes: 8_000))
        let large = submit(Self.batch(bytes: 10_000))
        #expect(failures == [third: .full, large: .oversized])
        step(.broken(jitter: 0))
        var last: UInt64 = 0
        for _ in 0..<200 { last = submit(Self.batch(bytes: 0), at: 5) }
        #expect(failures[last] == .full)
        #expect(answers.values.allSatisfy { $0.count == 1 })
    }

    @Test("verdicts that are not one a record, or of a parcel never sent, end the call", arguments: [true, false])
    mutating func confused(unknown: Bool) {
        let ticket = submit(Self.batch(3))
        step(.opened)
        step(.granted(10_000))
        step(.decided(ticket: unknown ? 99 : ticket, [.committed]))
        #expect(hangUps == [.confused])
        #expect(answers.isEmpty)
        step(.broken(jitter: 0))
        #expect(answers[ticket]?.count == 3)
    }

    @Test("a call without parcels ends quietly, and opens again for one that came meanwhile")
    mutating func idle() {
        let ticket = submit(at: 0)
        step(.opened, at: 0)
        step(.granted(10_000), at: 0)
        step(.decided(ticket: ticket, [.committed]), at: 1)
        step(.tick, at: 60.9)
        #expect(hangUps == [])
        step(.tick, at: 61)
        #expect(hangUps == [nil])
        let next = submit(at: 61.1)
        #expect(opened == 1)
        step(.broken(jitter: 0), at: 61.2)
        #expect(opened == 2)
        step(.opened, at: 61.3)
        step(.granted(10_000), at: 61.3)
        #expect(sent == [ticket, next])
        #expect(failures.isEmpty)
    }

    @Test("a closed queue answers what it has and takes nothing more")
    mutating func closed() {
        let first = submit()
        step(.closed)
        let second = submit()
        step(.broken(jitter: 0))
        #expect(failures == [first: .stopped, second: .stopped])
    }
}
