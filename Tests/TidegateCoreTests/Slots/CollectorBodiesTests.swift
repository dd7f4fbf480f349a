import Testing
import TidegateCore

@Suite("Collecting bodies that no row names")
struct CollectorBodiesTests {
    private let stream = StreamID(bits: 3)
    private let uid = GatewayUID(bits: 9)

    private func core() throws -> CollectorCore {
        let (slot, keys) = (SlotID(region: "r", index: 0), CoordinationKeys())
        var claim = ClaimCore(
            slot, keys: keys, incarnation: IncarnationID(bits: 1), nowMs: 0, settings: SlotSettings())
        _ = claim.handle(.start, at: .zero)
        _ = claim.handle(.read([nil, nil, nil]), at: .zero)
        let claimed = claim.handle(.claimed(7), at: .zero).compactMap { effect in
            if case .ready(let claimed) = effect { claimed } else { nil }
        }
        return CollectorCore(slot, keys: keys, try #require(claimed.first), settings: SlotSettings())
    }

    private func looks(_ effects: [CollectorCore.Effect]) -> [[GatewayUID: String]] {
        effects.compactMap { if case .sweepBodies(_, let places) = $0 { places } else { nil } }
    }

    @Test("goes with the snapshots, and only when a stream has said something new")
    func turns() throws {
        var core = try core()
        let published = CollectorCore.Event.published(SlotSnapshot(lineage: []), dropped: nil)
        #expect(looks(core.handle(published, at: .zero)).isEmpty)
        #expect(core.handle(.resolved(stream, below: 4), at: .zero).isEmpty)
        #expect(looks(core.handle(published, at: .zero)) == [[:]])
        _ = core.handle(.resolved(stream, below: 4), at: .zero)
        _ = core.handle(.resolved(stream, below: 2), at: .zero)
        #expect(looks(core.handle(published, at: .zero)).isEmpty)
    }

    @Test("goes on where the last look ended, until the end of the list")
    func parts() throws {
        var core = try core()
        let published = CollectorCore.Event.published(SlotSnapshot(lineage: []), dropped: nil)
        _ = core.handle(.resolved(stream, below: 4), at: .zero)
        _ = core.handle(published, at: .zero)
        _ = core.handle(.sweptBodies(uid, through: "k"), at: .zero)
        #expect(looks(core.handle(published, at: .zero)) == [[uid: "k"]])
        _ = core.handle(.sweptBodies(uid, through: nil), at: .zero)
        #expect(looks(core.handle(published, at: .zero)).isEmpty)
    }
}
