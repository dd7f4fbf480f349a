import GRDB
import Testing

@testable import TidegateObjects

@Suite("Words of bodies")
struct BodyTextTests {
    private func text(_ body: String, isEventStream: Bool = false) -> String {
        String(decoding: BodyText.of(Array(body.utf8)[...], isEventStream: isEventStream), as: UTF8.self)
    }

    @Test("JSON gives its strings without keys, unescaped")
    func json() {
        let body =
            #"{"model":"gpt","messages":[{"role":"user","content":"say\nh\u00e9llo \ud83d\ude00 \"you\""}],"n":1}"#
        #expect(text(body) == "gpt\nuser\nsay h\u{e9}llo \u{1F600} \"you\"\n")
    }

    @Test("pieces of an event stream are one text")
    func stream() {
        let events = ["Hel", "lo wor", "ld"].map { #"data: {"id":"x","choices":[{"delta":{"content":"\#($0)"}}]}"# }
        #expect(text(events.joined(separator: "\n\n") + "\n\ndata: [DONE]\n", isEventStream: true) == "Hello world")
        let anthropic = #"event: content_block_delta\#ndata: {"delta":{"type":"text_delta","text":"Guten"}}"#
        #expect(text(anthropic, isEventStream: true) == "Guten")
    }

    @Test("what is neither is taken as it is; images are left out; long texts are cut")
    func others() {
        #expect(text("plain words") == "plain words")
        #expect(text("") == "")
        #expect(text(#"["\#(String(repeating: "A", count: 5_000))","short"]"#) == "short\n")
        #expect(text(String(repeating: "ab ", count: 100_000)).utf8.count == BodyText.bytesMax)
        #expect(text(#"["\#(String(repeating: "ab ", count: 100_000))"]"#).utf8.count == BodyText.bytesMax)
    }

    @Test("a body cut off or damaged anywhere gives a text, never a trap", arguments: UInt64(0)..<10)
    func damaged(seed: UInt64) {
        var seed = DatabaseSeed(state: seed)
        let whole = Array(#"{"a":"b\u00e9\ud83d\ude00\"","c":["d\\","\ud83d"],"e":{"content":"f"}}"#.utf8)
        for end in 0...whole.count { _ = BodyText.of(whole[..<end], isEventStream: end % 2 == 0) }
        for _ in 0..<2_000 {
            var bytes = whole
            for _ in 0..<3 {
                bytes[Int.random(in: 0..<bytes.count, using: &seed)] = seed.pick([0x22, 0x5C, 0x75, 0xFF, 0x7B])
            }
            _ = BodyText.of(bytes[...], isEventStream: Bool.random(using: &seed))
        }
    }

    @Test("a text has the words that SQLite's index finds in it", arguments: UInt64(0)..<4)
    func sameAsIndex(seed: UInt64) throws {
        var seed = DatabaseSeed(state: seed)
        let queue = try DatabaseQueue()
        let pieces = [
            "a", "B", "ab", "É", "é", "e\u{301}", "ß", "ж", "Ж", "7", "漢", " ", " ", "-", "_", ".", "\"", "\u{0}",
            "\u{1F600}", "*",
        ]
        func random(_ count: ClosedRange<Int>) -> String {
            (0..<Int.random(in: count, using: &seed)).map { _ in seed.pick(pieces) }.joined()
        }
        try queue.inDatabase { db in
            try db.execute(sql: BodyIndex.table.replacing("body_text", with: "t"))
            let texts = (0..<300).map { _ in random(0...20) }
            for (index, text) in texts.enumerated() {
                try db.run("INSERT INTO t(rowid, text) VALUES(?, ?)", [.integer(Int64(index)), .text(text)])
            }
            var matches = 0
            for _ in 0..<300 {
                let search = random(1...6)
                guard let words = BodyWords(search) else { continue }
                var found: Set<Int64> = []
                try db.run("SELECT rowid FROM t WHERE t MATCH ?", [.text(words.expression)]) {
                    found.insert($0.integer(0))
                }
                let expected = texts.indices.filter { words.match(Array(texts[$0].utf8)) }.map(Int64.init)
                #expect(found == Set(expected), "\(search.debugDescription)")
                matches += found.count
            }
            #expect(matches > 1_000)
        }
    }

    @Test("hostile searches are words, or none")
    func hostile() {
        for search in [
            "", "\"", "* OR NOT", "NEAR(a b)", "a:b", "\u{0}", "\u{1F600}", String(repeating: "x ", count: 5_000),
        ] {
            if let words = BodyWords(search) { #expect(!words.expression.isEmpty) }
        }
        #expect(BodyWords("\"*-\u{1F600}") == nil)
    }
}
