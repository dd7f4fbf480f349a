import Testing
import TidegateCore

@Suite("Bodies that nobody will name")
struct BodyGarbageTests {
    private let names = CoordinationKeys()
    private let gateway = GatewayUID(bits: 7)
    private let one = StreamID(bits: 1)
    private let other = StreamID(bits: 2)

    private func key(_ stream: StreamID, _ intent: UInt64, _ part: BodyPart = .request) -> String {
        names.bodyObject(gateway, stream, intent: intent, part)
    }

    @Test("only below what its own stream has resolved, and only what no row names")
    func bound() {
        var garbage = BodyGarbage()
        garbage.note(one, resolvedBelow: 10)
        garbage.note(one, resolvedBelow: 5)  // a batch that came late
        let keys = [key(one, 9), key(one, 9, .response), key(one, 10), key(one, 3), key(other, 3)]
        let named: Set = [key(one, 3)]
        func found() -> [String] { garbage.garbage(among: keys, of: gateway, in: names) { named.contains($0) } }
        #expect(found() == [key(one, 9), key(one, 9, .response)])
        garbage.end(other)
        #expect(found() == [key(one, 9), key(one, 9, .response), key(other, 3)])
    }

    @Test("a key that is no body's, or another gateway's, is left alone")
    func foreign() {
        var garbage = BodyGarbage()
        garbage.note(one, resolvedBelow: .max)
        let keys = [
            names.bodyObject(GatewayUID(bits: 8), one, intent: 1, .request), "1/log/eu/0/1/1", "x",
            key(one, 1) + ".gz", key(one, 1).replacing("/1.", with: "/01."), key(one, 1).uppercased(),
            CoordinationKeys(generation: 2).bodyObject(gateway, one, intent: 1, .request),
        ]
        #expect(garbage.garbage(among: keys, of: gateway, in: names) { _ in false } == [])
        #expect(names.bodyPlace(key(one, 77, .response))?.intent == 77)
        for key in [key(one, .max), key(other, 0, .response)] {
            #expect(throws: Never.self) { try ObjectKeyRule.check(key) }
        }
    }
}
