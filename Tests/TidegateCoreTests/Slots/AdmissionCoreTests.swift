import Testing
import TidegateCore

@Suite("Admission to a gateway's log")
struct AdmissionCoreTests {
    private let stream = StreamID(bits: 1)
    private func id(_ number: Int) -> RecordID { RecordID(bits: UInt128(number)) }

    @Test("takes each sequence number once and in order, counting what is in flight")
    func order() {
        var core = AdmissionCore(live: 0, allowance: 10, cap: nil, marks: [])
        #expect(core.admit(stream, sequence: 2, id: id(2)) == .expected(1))
        #expect(core.admit(stream, sequence: 1, id: id(1)) == .append)
        #expect(core.admit(stream, sequence: 1, id: id(1)) == .duplicate)
        #expect(core.admit(stream, sequence: 1, id: id(9)) == .fork)
        #expect(core.admit(stream, sequence: 2, id: id(2), refusal: .invalid) == .skip(.invalid))
        #expect(core.admit(stream, sequence: 3, id: id(3)) == .append)
        #expect(core.inFlight == 2)
    }

    @Test("never holds more rows than allowed, in flight or not")
    func room() {
        var core = AdmissionCore(live: 1, allowance: 3, cap: nil, marks: [])
        #expect(core.admit(stream, sequence: 1, id: id(1)) == .append)
        #expect(core.admit(stream, sequence: 2, id: id(2)) == .append)
        #expect(core.admit(stream, sequence: 3, id: id(3)) == .noRoom)
        #expect(core.giveBack(.max) == 0)
        core.applied(rows: 2, live: 2)
        #expect(core.admit(stream, sequence: 3, id: id(3)) == .append)
    }

    @Test("grants no more than is free, and more to the fast while others lose nothing")
    func grants() {
        func grant(_ account: Int64?, _ gateway: Int64?, _ rate: Int64) -> Int64 {
            AllowanceCore.grant(accountFree: account, gatewayFree: gateway, active: 5, rate: rate)
        }
        #expect(grant(0, nil, 9) == 0)
        #expect(grant(3, nil, 0) == 1)
        #expect(grant(100_000, nil, 0) == 1_000)
        #expect(grant(100_000, nil, 25_000) == 10_000)
        #expect(grant(nil, nil, 25_000) == 50_000)
        #expect(grant(nil, 7, 25_000) == 7)
        // Decision 0007: the only gateway of an account takes what is free.
        #expect(AllowanceCore.grant(accountFree: 120, gatewayFree: nil, active: 1, rate: 0) == 120)
        #expect(AllowanceCore.grant(accountFree: 120, gatewayFree: nil, active: 2, rate: 0) == 30)
    }
}
