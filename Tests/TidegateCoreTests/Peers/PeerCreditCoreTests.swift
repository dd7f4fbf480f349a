import Testing
import TidegateCore
import TidegateTestKit

@Suite("Credit for a peer that delivers")
struct PeerCreditCoreTests {
    private var core: PeerCreditCore
    private var granted = 0
    private var room = Int.max
    private var isRefused = false

    private static var settings: PeerCreditSettings {
        var settings = PeerCreditSettings()
        settings.windowMin = 1_000
        settings.windowMax = 8_000
        return settings
    }

    init() { core = PeerCreditCore(settings: Self.settings) }

    private mutating func step(_ event: PeerCreditCore.Event) {
        var effects = core.handle(event)[...]
        while let effect = effects.popFirst() {
            switch effect {
            case .grant(let bytes): granted += bytes
            case .askToGrow(let bytes):
                guard bytes <= room else { continue }
                room -= bytes
                effects += core.grow(by: bytes)
            case .giveBack(let bytes): room += bytes
            case .refuse: isRefused = true
            }
        }
    }

    private mutating func carry(_ cost: Int, after: Duration = .zero, isOverloaded: Bool = false) {
        step(.took(cost: cost))
        step(.decided(cost: cost, after: after, isOverloaded: isOverloaded))
    }

    @Test("the window doubles with each windowful that is decided in good time, up to its bound")
    mutating func growth() {
        step(.began)
        #expect(granted == 1_000)
        var windows: [Int] = []
        for _ in 0..<40 {
            carry(500)
            if windows.last != core.window { windows.append(core.window) }
        }
        #expect(windows == [1_000, 2_000, 4_000, 8_000])
        #expect(granted - 40 * 500 == 8_000, "what was used comes back, and the peer holds a window")
        #expect(!isRefused)
    }

    @Test("slow verdicts do not make it grow, an overloaded node makes it shrink, never below where it began")
    mutating func shrinking() {
        step(.began)
        for _ in 0..<20 { carry(500, after: .seconds(3)) }
        #expect(core.window == 1_000)
        for _ in 0..<40 { carry(500) }
        for _ in 0..<9 { carry(500, isOverloaded: true) }
        #expect(core.window == 1_000)
        #expect(room == Int.max)
    }

    @Test("it grows only into the room that the node has")
    mutating func boundedRoom() {
        room = 1_500
        step(.began)
        for _ in 0..<100 { carry(500) }
        #expect(core.window == 2_000)
        #expect(room == 500)
    }

    @Test("one parcel may overdraw, the next without credit is refused")
    mutating func overdraft() {
        step(.began)
        step(.took(cost: 5_000))
        #expect(!isRefused)
        step(.took(cost: 1))
        #expect(isRefused)
    }

    @Test(
        "what the peer holds and what is being decided never exceed the window by more than one parcel",
        arguments: 1...20)
    mutating func bound(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        step(.began)
        var used = 0
        var busy: [Int] = []
        for _ in 0..<2_000 {
            if used < granted, random.next() % 2 == 0 {
                let cost = Int(random.next() % 900) + 1
                used += cost
                busy.append(cost)
                step(.took(cost: cost))
            } else if !busy.isEmpty {
                let cost = busy.remove(at: Int(random.next() % UInt64(busy.count)))
                step(.decided(cost: cost, after: .zero, isOverloaded: random.next() % 50 == 0))
            }
            #expect(granted - used + busy.reduce(0, +) <= 8_000)
            #expect(busy.reduce(0, +) <= 8_000 + 900)
        }
        #expect(!isRefused)
        while let cost = busy.popLast() { step(.decided(cost: cost, after: .zero, isOverloaded: false)) }
        #expect(granted > used, "it never comes to a stand")
    }
}
