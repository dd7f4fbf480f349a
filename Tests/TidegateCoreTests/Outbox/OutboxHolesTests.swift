import Testing
import TidegateCore

@Suite("Numbers of an outbox whose records a power cut has torn off")
struct OutboxHolesTests {
    private let gateway = GatewayUID(bits: 1)
    private let limits = OutboxCore.Limits(bytesMax: 1 << 20, recordsMax: 100, memoryBytesMax: 1 << 16)

    @Test("are not taken for acknowledged ones when the file that told of them is gone")
    func holesStay() throws {
        // File 3 was torn behind 8; file 4 knows that there were 9 and 10.
        var first = OutboxRecovery()
        begin(&first, 3, last: 7)
        add(&first, 8, segment: 3)
        begin(&first, 4, last: 10)
        let before = first.finish(limits: limits, stream: StreamID(bits: 9))
        #expect(before.lost == 2)
        let counters = try OutboxCounters(encoded: before.core.counters.encoded()[...])
        #expect(counters == before.core.counters)
        #expect(counters.lanes.map(\.lost) == [[9...10]])
        // File 4 holds nothing and is deleted; file 5 begins with what is known by then.
        var second = OutboxRecovery()
        begin(&second, 3, last: 7)
        add(&second, 8, segment: 3)
        second.begin(5, bytes: 0, counters: counters)
        add(&second, 11, segment: 5)
        var after = second.finish(limits: limits, stream: StreamID(bits: 9))
        #expect(after.lost == 2)
        #expect(after.core.statistics.pending == 4)
        #expect(after.core.plan(gateway, from: nil, recordsMax: 10, bytesMax: 1_000)?.stored == 8)
    }

    @Test("are forgotten once they are acknowledged")
    func acknowledged() {
        var recovery = OutboxRecovery()
        begin(&recovery, 3, last: 7)
        add(&recovery, 8, segment: 3)
        begin(&recovery, 4, last: 10)
        var core = recovery.finish(limits: limits, stream: StreamID(bits: 9)).core
        core.acknowledge(gateway, through: 9)
        #expect(core.counters.lanes.map(\.lost) == [[9...10]])
        core.acknowledge(gateway, through: 10)
        #expect(core.counters.lanes.map(\.lost) == [[]])
    }

    private func begin(_ recovery: inout OutboxRecovery, _ segment: UInt64, last: UInt64) {
        let lane = OutboxCounters.Lane(gateway: gateway, last: last, acknowledged: 7, base: 0)
        recovery.begin(segment, bytes: 0, counters: OutboxCounters(stream: StreamID(bits: 9), lanes: [lane]))
    }

    private func add(_ recovery: inout OutboxRecovery, _ sequence: UInt64, segment: UInt64) {
        var frame = OutboxFrame(.completion)
        (frame.sequence, frame.gateway, frame.intent) = (sequence, gateway, sequence)
        recovery.add(frame, body: [], segment: segment, offset: Int(sequence))
    }
}
