import Testing
import TidegateCore

@Suite("Who claims which slot, and when")
struct OwnershipCoreTests {
    private let me = IncarnationID(bits: 1)
    private let other = IncarnationID(bits: 2)
    private let third = IncarnationID(bits: 3)
    private let slots = (0..<4).map { SlotID(region: "eu", index: $0) }

    private func core() -> OwnershipCore {
        OwnershipCore(incarnation: me, nodeID: "n1", regions: ["eu"], slotsPerRegion: 4)
    }

    private func view(
        _ present: [IncarnationID: (String, IncarnationDocument.State)], owners: [IncarnationID?] = []
    ) -> OwnershipCore.View {
        var view = OwnershipCore.View()
        for (id, (node, state)) in present {
            view.incarnations[id.description] = IncarnationDocument(
                node: node, region: "eu", address: "127.0.0.1:1", state: state)
        }
        for (slot, owner) in zip(slots, owners) {
            view.owners[slot] = SlotOwner(
                epoch: 1, inc: owner?.description, state: owner == nil ? .free : .owned,
                claims: SlotOwner.Claims(count: 0, sinceMs: 0))
        }
        return view
    }

    private func claims(_ effects: [OwnershipCore.Effect]) -> [SlotID] {
        effects.compactMap { if case .claim(let slot) = $0 { slot } else { nil } }
    }

    /// Lets timers pass until `end`; everything claimed is served at once.
    private func run(_ core: inout OwnershipCore, from start: Duration, to end: Duration) -> [SlotID: Duration] {
        var claimed: [SlotID: Duration] = [:]
        var now = start
        var effects = core.handle(.tick, at: now)
        while now <= end {
            for slot in claims(effects) { claimed[slot] = now }
            effects = claims(effects).flatMap { core.handle(.claimed($0), at: now) }
            if claims(effects).isEmpty {
                now += .milliseconds(50)
                effects += core.handle(.tick, at: now)
            }
        }
        return claimed
    }

    @Test("nothing is claimed before the cluster sees this node, everything that nobody has afterwards")
    func alone() {
        var core = core()
        #expect(claims(core.handle(.view(view([:])), at: .zero)).isEmpty)
        let effects = core.handle(.view(view([me: ("n1", .active)])), at: .zero)
        #expect(Set(claims(effects)) == Set(slots))
        #expect(core.unowned.count == 4)
        for slot in slots { _ = core.handle(.claimed(slot), at: .zero) }
        #expect(core.handle(.tick, at: .seconds(9)).isEmpty)
    }

    @Test("at most four claims are under way")
    func bounded() {
        var core = OwnershipCore(incarnation: me, nodeID: "n1", regions: ["eu"], slotsPerRegion: 9)
        var first = claims(core.handle(.view(view([me: ("n1", .active)])), at: .zero))
        #expect(first.count == 4)
        let second = claims(core.handle(.claimed(first.removeFirst()), at: .zero))
        #expect(second.count == 1)
    }

    @Test("a live owner keeps its slots; when its incarnation goes they are claimed, by rank")
    func lease() {
        var core = core()
        let both = view(
            [me: ("n1", .active), other: ("n2", .active), third: ("n3", .active)],
            owners: [other, other, other, other])
        #expect(core.handle(.view(both), at: .zero).isEmpty)
        #expect(core.unowned.isEmpty)
        let alone = view([me: ("n1", .active), third: ("n3", .active)], owners: [other, other, other, other])
        let first = claims(core.handle(.view(alone), at: .seconds(10)))
        for slot in first { _ = core.handle(.claimed(slot), at: .seconds(10)) }
        let later = run(&core, from: .seconds(10), to: .seconds(12))
        #expect(first.count + later.count == 4)
        // Those that the other ranks first for wait for it.
        #expect(later.values.allSatisfy { $0 - .seconds(10) >= .milliseconds(750) })
    }

    @Test("two votes of others and a probe without an answer make a candidate of a live owner")
    func votes() {
        var core = core()
        var seen = view(
            [me: ("n1", .active), other: ("n2", .active)], owners: [other, other, other, other])
        seen.votes[other.description] = ["n3", "n2"]
        #expect(core.handle(.view(seen), at: .zero).isEmpty)  // its own does not count
        seen.votes[other.description] = ["n3", "n4"]
        _ = core.handle(.dead([other.description]), at: .zero)
        let effects = core.handle(.view(seen), at: .zero)
        #expect(effects == [.probe(incarnation: other.description)])
        #expect(core.handle(.probed(incarnation: other.description, answers: true), at: .seconds(1)).isEmpty)
        #expect(core.handle(.tick, at: .milliseconds(3_500)) == [.probe(incarnation: other.description)])
        let after = core.handle(.probed(incarnation: other.description, answers: false), at: .seconds(4))
        #expect(claims(after).count == 4)
    }

    @Test("a hint goes before every rank; who drains claims nothing and ranks nowhere")
    func hints() {
        var core = core()
        var free = view([me: ("n1", .active), other: ("n2", .active)], owners: [nil, nil, nil, nil])
        for slot in slots { free.owners[slot]?.hint = "n1" }
        #expect(claims(core.handle(.view(free), at: .zero)).count == 4)

        var waiting = self.core()
        for slot in slots { free.owners[slot]?.hint = "n2" }
        #expect(claims(waiting.handle(.view(free), at: .zero)).isEmpty)
        var leaving = free
        leaving.incarnations[other.description]?.state = .draining
        #expect(claims(waiting.handle(.view(leaving), at: .milliseconds(1))).count == 4)

        var draining = self.core()
        _ = draining.handle(.drain, at: .zero)
        #expect(draining.handle(.view(free), at: .zero).isEmpty)
    }

    @Test("a failed claim waits longer each time; one that somebody else made ends the wait")
    func failures() {
        var core = OwnershipCore(incarnation: me, nodeID: "n1", regions: ["eu"], slotsPerRegion: 1)
        var now = Duration.zero
        var gaps: [Duration] = []
        var effects = core.handle(.view(view([me: ("n1", .active)])), at: now)
        for _ in 0..<8 {
            #expect(claims(effects).count == 1)
            effects = core.handle(.claimFailed(slots[0]), at: now)
            guard case .wake(let time)? = effects.first else { break }
            gaps.append(time - now)
            now = time
            effects = core.handle(.tick, at: now)
        }
        #expect(gaps.count == 8)
        #expect(zip(gaps, gaps.dropFirst()).allSatisfy { $0 <= $1 })
        #expect(gaps.last == .seconds(10))
    }

    @Test("a slot that this node lost is claimed again, also when the word of its loss came before that of its claim")
    func lost() {
        var core = OwnershipCore(incarnation: me, nodeID: "n1", regions: ["eu"], slotsPerRegion: 1)
        #expect(claims(core.handle(.view(view([me: ("n1", .active)])), at: .zero)) == [slots[0]])
        #expect(core.handle(.served([slots[0]]), at: .zero).isEmpty)  // it is still being claimed
        #expect(core.unowned == [slots[0]])
        #expect(core.handle(.served([]), at: .zero).isEmpty)
        #expect(core.handle(.claimed(slots[0]), at: .zero).isEmpty)
        #expect(claims(core.handle(.served([]), at: .seconds(1))) == [slots[0]])
    }

    @Test("whoever serves a slot that another incarnation owns is told")
    func robbed() {
        var core = core()
        _ = core.handle(
            .view(view([me: ("n1", .active), other: ("n2", .active)], owners: [me, me, me, me])), at: .zero)
        for slot in slots { _ = core.handle(.claimed(slot), at: .zero) }
        let seen = view([me: ("n1", .active), other: ("n2", .active)], owners: [me, other, me, me])
        #expect(core.handle(.view(seen), at: .seconds(1)) == [.robbed(slots[1])])
    }

    @Test("regions that nodes bring in are claimed by others when their nodes die")
    func regions() {
        var core = core()
        var seen = view([me: ("n1", .active), other: ("n2", .active)], owners: [me, me, me, me])
        for slot in slots { _ = core.handle(.claimed(slot), at: .zero) }
        seen.incarnations[other.description]?.region = "us"
        _ = core.handle(.view(seen), at: .zero)
        #expect(core.unowned.count == 4)
        seen.incarnations[other.description] = nil
        #expect(claims(core.handle(.view(seen), at: .seconds(1))).allSatisfy { $0.region == "us" })
    }
}

@Suite("Votes against dead nodes")
struct VoteCoreTests {
    private func view(_ nodes: Int, votes: [Int: Set<String>] = [:]) -> OwnershipCore.View {
        var view = OwnershipCore.View()
        for index in 0..<nodes {
            view.incarnations["i\(index)"] = IncarnationDocument(
                node: "n\(index)", region: "eu", address: "127.0.0.1:1", state: .active)
        }
        for (index, observers) in votes { view.votes["i\(index)"] = observers }
        return view
    }

    @Test("one dead of three is voted against, once a minute")
    func once() {
        var core = VoteCore()
        #expect(core.handle(dead: ["i1"], nodes: 3, view: view(3), at: .zero) == ["i1"])
        #expect(core.handle(dead: ["i1"], nodes: 3, view: view(3), at: .seconds(30)).isEmpty)
        #expect(core.handle(dead: ["i1"], nodes: 3, view: view(3), at: .seconds(60)) == ["i1"])
    }

    @Test("whoever doubts more than 30 % abstains; two nodes never vote")
    func doubt() {
        var core = VoteCore()
        #expect(core.handle(dead: ["i1"], nodes: 2, view: view(2), at: .zero).isEmpty)
        #expect(core.handle(dead: ["i1", "i2"], nodes: 6, view: view(6), at: .zero).isEmpty)
        let three: Set<String> = ["i1", "i2", "i3"]
        #expect(core.handle(dead: three, nodes: 10, view: view(10), at: .zero).count == 1)
    }

    @Test("a tenth of the nodes a minute in the whole cluster; votes of others against the same one are joined")
    func share() {
        var core = VoteCore()
        let others = view(10, votes: [4: ["n7"]])
        #expect(core.handle(dead: ["i1"], nodes: 10, view: others, at: .zero).isEmpty)
        #expect(core.handle(dead: ["i1", "i4"], nodes: 10, view: others, at: .seconds(1)) == ["i4"])
        #expect(core.handle(dead: ["i1"], nodes: 10, view: view(10), at: .seconds(61)) == ["i1"])
    }

    @Test("whose lease has ended needs no vote")
    func gone() {
        var core = VoteCore()
        #expect(core.handle(dead: ["i9"], nodes: 5, view: view(5), at: .zero).isEmpty)
    }
}
