import Testing
import TidegateCore

@Suite("Hash ring")
struct HashRingTests {
    private func ring(_ count: Int, without: Int? = nil) -> HashRing {
        HashRing((0..<count).filter { $0 != without }.map { HashRing.Node(nodeID: "node-\($0)", region: "eu") })
    }
    private let slots = (0..<4_096).map { SlotID(region: "eu", index: $0) }

    private func owner(_ ring: HashRing, _ slot: SlotID) -> String? { ring.ranked(slot).first?.nodeID }

    @Test("losing a node moves only that node's slots", arguments: [3, 5, 16])
    func minimalDisruption(nodes: Int) {
        let (before, after) = (ring(nodes), ring(nodes, without: 1))
        for slot in slots where owner(before, slot) != "node-1" {
            #expect(owner(before, slot) == owner(after, slot))
        }
        for slot in slots where owner(before, slot) == "node-1" {
            #expect(owner(after, slot) == before.ranked(slot)[1].nodeID)
        }
    }

    @Test("sixteen nodes share within 1.25 of the mean, by the ring alone and with bounded loads")
    func balance() {
        let ring = ring(16)
        let alone = Dictionary(grouping: slots) { owner(ring, $0) ?? "" }.values.map(\.count)
        #expect(Double(alone.max() ?? .max) / Double(slots.count / 16) <= 1.25)
        let few = Array(slots.prefix(256))
        let placed = Dictionary(grouping: ring.placement(few).values) { $0 }.values.map(\.count)
        #expect(placed.reduce(0, +) == 256)
        #expect(Double(placed.max() ?? .max) / 16 <= 1.25)
    }

    @Test("weights count")
    func weights() {
        let ring = HashRing([
            .init(nodeID: "big", region: "eu", weight: 3), .init(nodeID: "small", region: "eu"),
            .init(nodeID: "none", region: "eu", weight: 0),
        ])
        let counts = Dictionary(grouping: slots) { owner(ring, $0) ?? "" }.mapValues(\.count)
        #expect((0.68...0.82).contains(Double(counts["big", default: 0]) / Double(slots.count)))
        #expect(counts["none"] == nil)
    }

    @Test("the home region comes first, and a jurisdiction lets nobody else in")
    func regions() {
        let ring = HashRing([
            .init(nodeID: "us-1", region: "us"), .init(nodeID: "eu-1", region: "eu", jurisdictions: ["eu"]),
            .init(nodeID: "eu-2", region: "eu", jurisdictions: ["eu"]), .init(nodeID: "us-2", region: "us"),
        ])
        for slot in slots.prefix(100) {
            #expect(ring.ranked(slot).map(\.region) == ["eu", "eu", "us", "us"])
            #expect(Set(ring.ranked(slot, jurisdiction: "eu").map(\.nodeID)) == ["eu-1", "eu-2"])
        }
        #expect(HashRing([]).ranked(slots[0]).isEmpty)
    }

    @Test("who is full comes last among claimers")
    func full() {
        let ring = ring(3)
        let first = owner(ring, slots[0]) ?? ""
        let claimers = ring.claimers(of: slots[0], held: [first: 100], slots: 12)
        #expect(claimers.last?.nodeID == first)
        #expect(claimers.count == 3)
    }

    @Test("the order does not depend on how the nodes came, nor on the version")
    func golden() {
        let nodes = ["a", "b", "c", "d"].map { HashRing.Node(nodeID: $0, region: "eu") }
        let order = (0..<8).map { HashRing(nodes).ranked(slots[$0]).map(\.nodeID).joined() }
        let reversed = (0..<8).map { HashRing(nodes.reversed()).ranked(slots[$0]).map(\.nodeID).joined() }
        #expect(order == reversed)
        #expect(order.joined(separator: " ") == "badc cbad dacb dbca dbac dbac adbc dbac")
    }
}
