import Testing
import TidegateCore
import TidegateTestKit

@Suite("Identifiers")
struct IdentifierTests {
    @Test("a record id is a version 7 UUID that carries its time and survives its text")
    func recordID() throws {
        var generator = SeededGenerator(seed: 7)
        for _ in 0..<200 {
            let id = RecordID(milliseconds: 1_764_000_000_123, random: &generator)
            let text = id.description
            #expect(text.utf8.count == 36)
            #expect(Array(text)[14] == "7")
            #expect("89ab".contains(Array(text)[19]))
            #expect(UInt64(text.prefix(8) + text.dropFirst(9).prefix(4), radix: 16) == 1_764_000_000_123)
            #expect(RecordID(text) == id)
            #expect(RecordID(text.uppercased()) == id)
            #expect(RecordID(text.replacing("-", with: "")) == id)
        }
    }

    @Test(
        "what is not an id is not read as one",
        arguments: [
            "", "x", "0123", "+1234567890123456789012345678901", "01234567890123456789012345678901 ",
            "0123456-7890-1234-5678-9012345678901", "01234567-8901-2345-6789-01234567890g",
        ])
    func notAnID(text: String) {
        #expect(RecordID(text) == nil)
        #expect(GatewayUID(hex: text) == nil)
    }

    @Test("a position survives its text, and nonsense is refused")
    func position() {
        let position = LogPosition(slot: SlotID(region: "eu-1", index: 7), epoch: 3, n: 1_201)
        #expect(position.description == "eu-1/7:3:1201")
        #expect(LogPosition(position.description) == position)
        for text in ["", "eu/1:2", "eu:1:2", "/1:2:3", "eu/-1:2:3", "eu/1:2:3:4", "eu/1:x:3"] {
            #expect(LogPosition(text) == nil, "\(text)")
        }
    }

    @Test("an LSN orders by object, then by place in it")
    func lsn() {
        let lsn = LSN(n: 9, index: 77)
        #expect((lsn.n, lsn.index) == (9, 77))
        #expect(LSN(n: 9, index: LSN.entriesPerObjectMax - 1) < LSN(n: 10, index: 0))
    }

    @Test(
        "the slot of a uid never changes: XXH3 of its bytes, checked against the reference implementation",
        arguments: [
            ("00000000000000000000000000000001", 11), ("0123456789abcdef0123456789abcdef", 15),
            ("ffffffffffffffffffffffffffffffff", 3),
        ])
    func slotHash(uid: String, slot: Int) throws {
        #expect(SlotHash.index(of: try #require(GatewayUID(hex: uid)), count: 16) == slot)
    }
}
