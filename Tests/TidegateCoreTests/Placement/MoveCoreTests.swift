import Testing
import TidegateCore

@Suite("Moves of slots")
struct MoveCoreTests {
    private let nodes = ["a", "b", "c"].map { HashRing.Node(nodeID: $0, region: "eu") }
    private func owners(_ counts: [String: Int]) -> [SlotID: String] {
        let owners = counts.sorted { $0.key < $1.key }.flatMap { Array(repeating: $0.key, count: $0.value) }
        return Dictionary(
            uniqueKeysWithValues: owners.enumerated().map { (SlotID(region: "eu", index: $0), $1) })
    }

    @Test("an imbalance must last, and one slot moves every five seconds until it is gone")
    func moves() {
        var owners = owners(["a": 12, "b": 0, "c": 0])
        var core = MoveCore(nodeID: "a", at: .zero)
        var moved: [Int] = []
        for second in 0..<200 {
            guard let offer = core.handle(members: nodes, owners: owners, at: .seconds(second)) else { continue }
            #expect(owners[offer.slot] == "a")
            owners[offer.slot] = offer.to
            moved.append(second)
        }
        #expect(moved.first == 60)
        #expect(zip(moved, moved.dropFirst()).allSatisfy { $1 - $0 >= 5 })
        let counts = Dictionary(grouping: owners.values) { $0 }.mapValues(\.count)
        #expect(counts.values.allSatisfy { $0 <= 4 })
    }

    @Test("nothing moves soon after somebody came or went, nor within the margin")
    func calm() {
        let uneven = owners(["a": 8, "b": 2, "c": 2])
        var core = MoveCore(nodeID: "a", at: .zero)
        for second in 0..<50 { #expect(core.handle(members: nodes, owners: uneven, at: .seconds(second)) == nil) }
        for second in 50..<110 {
            let two = Array(nodes.prefix(2))
            #expect(core.handle(members: two, owners: uneven, at: .seconds(second)) == nil)
        }
        var even = MoveCore(nodeID: "a", at: .zero)
        for second in 0..<300 {
            let held = owners(["a": 12, "b": 10, "c": 8])
            #expect(even.handle(members: nodes, owners: held, at: .seconds(second)) == nil)
        }
    }
}
