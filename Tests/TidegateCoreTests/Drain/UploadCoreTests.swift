import Testing
import TidegateCore

@Suite("Bodies on their way to the store")
struct UploadCoreTests {
    private var core = UploadCore()

    private static func body(_ number: UInt64, stream: UInt128 = 1) -> WaitingBody {
        WaitingBody(
            place: .init(GatewayUID(bits: 7), number, .request),
            stream: StreamID(bits: stream),
            intent: number, bytes: 9)
    }

    @Test("as many as may be are under way, none twice, and the end of one is the start of the next")
    mutating func flow() {
        #expect(core.handle(.look, at: .zero) == [.list(limit: 2)])
        let all = (1...3).map { Self.body($0) }
        #expect(core.handle(.waiting(all), at: .zero) == [.upload(all[0]), .upload(all[1])])
        #expect(core.handle(.look, at: .zero) == [])
        #expect(core.handle(.ended(all[0], .stored), at: .zero) == [.list(limit: 3)])
        #expect(core.handle(.waiting(Array(all[1...])), at: .zero) == [.upload(all[2])])
        #expect(core.handle(.ended(all[2], .lost), at: .zero) == [.list(limit: 3)])
    }

    @Test("while the store is away all wait, longer each time and not for ever; failures together count once")
    mutating func failures() {
        var now = Duration.zero
        var pauses: [Duration] = []
        for _ in 0..<9 {
            let two = [Self.body(1), Self.body(2)]
            #expect(core.handle(.look, at: now) == [.list(limit: 2)])
            #expect(core.handle(.waiting(two), at: now) == two.map { .upload($0) })
            guard case .wake(let pause)? = core.handle(.ended(two[0], .failed), at: now).first else { return }
            #expect(core.handle(.ended(two[1], .failed), at: now + .milliseconds(1)) == [])
            #expect(core.handle(.look, at: now + pause - .milliseconds(1)) == [])
            pauses.append(pause)
            now += pause
        }
        #expect(pauses == [0.25, 0.5, 1, 2, 4, 8, 15, 15, 15].map { .milliseconds(Int64($0 * 1_000)) })
        _ = core.handle(.waiting([Self.body(1)]), at: now)
        _ = core.handle(.ended(Self.body(1), .stored), at: now)
        _ = core.handle(.waiting([Self.body(2)]), at: now)
        #expect(core.handle(.ended(Self.body(2), .failed), at: now) == [.wake(after: .milliseconds(250))])
    }

    @Test("a key that holds another body asks for a new stream, once, and goes on under it")
    mutating func conflict() {
        let two = [Self.body(1), Self.body(2)]
        _ = core.handle(.waiting(two), at: .zero)
        #expect(core.handle(.ended(two[0], .conflict), at: .zero) == [.mintNewStream])
        #expect(core.handle(.ended(two[1], .conflict), at: .zero) == [])
        #expect(core.handle(.look, at: .zero) == [])
        #expect(core.handle(.minted(true), at: .zero) == [.list(limit: 2)])
        #expect(core.handle(.waiting([Self.body(1, stream: 2)]), at: .zero) == [.upload(Self.body(1, stream: 2))])
        #expect(core.handle(.ended(Self.body(1, stream: 2), .conflict), at: .zero) == [.mintNewStream])
        #expect(core.handle(.minted(false), at: .zero) == [.wake(after: .milliseconds(250))])
    }
}
