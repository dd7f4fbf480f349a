import Testing
import TidegateCore

@Suite("Files of the outbox")
struct OutboxFilesTests {
    @Test("the file with a call's end lies as long as the one with its beginning", arguments: [true, false])
    func endOutlivesNothing(isCompleted: Bool) {
        let slow = GatewayUID(bits: 1)
        let quick = GatewayUID(bits: 2)
        var core = OutboxCore(
            stream: StreamID(bits: 1), limits: .init(bytesMax: 1 << 20, recordsMax: 100, memoryBytesMax: 1 << 20))
        core.opened(1, bytes: 100)
        guard let first = core.admit(RecordID(bits: 1), gateway: slow),
            let second = core.admit(RecordID(bits: 2), gateway: quick)
        else { return #expect(Bool(false), "not admitted") }
        core.completed(first, segment: 1, offset: 100, bytes: 50, payload: [1])
        core.wroteIntent(second, announced: [], segment: 1, bytes: 72)
        core.opened(2, bytes: 100)
        if isCompleted {
            core.completed(second, segment: 2, offset: 100, bytes: 50, payload: [2])
        } else {
            core.abandoned(second, segment: 2, bytes: 72)
        }
        core.opened(3, bytes: 100)
        core.synced(core.takeUnsynced())
        core.acknowledge(quick, through: 1)
        // Without file 2 the intent in file 1 would look like a call that was cut.
        #expect(core.deletable(except: 3).isEmpty)
        core.acknowledge(slow, through: 1)
        #expect(core.deletable(except: 3) == [1, 2])
        core.forget(1)
        #expect(core.deletable(except: 3) == [2])
    }
}
