import Testing

@testable import TidegateGateway

@Suite("server-sent events")
struct DialectsEventScannerTests {
    private func events(_ cut: [ArraySlice<UInt8>], max: Int = 1 << 20) -> (list: [String], skipped: Int) {
        var scanner = EventScanner(eventBytesMax: max)
        var list: [String] = []
        for piece in cut {
            piece.withUnsafeBytes {
                scanner.consume($0) {
                    list.append("\(String(decoding: $0, as: UTF8.self))|\(String(decoding: $1, as: UTF8.self))")
                }
            }
        }
        return (list, scanner.skippedEvents)
    }

    @Test(
        "takes every line ending, comments, names and several data lines",
        arguments: [
            ("data: a\n\ndata:b\n\n", ["|a", "|b"]),
            ("data: a\r\n\r\ndata: b\r\n\r\n", ["|a", "|b"]),
            ("data: a\r\rdata: b\r\r", ["|a", "|b"]),
            ("\u{FEFF}: hello\nevent: x\ndata: 1\ndata:  2\ndata\n\n\n", ["x|1\n 2\n"]),
            ("event: lonely\n\nid: 1\nretry: 5\ndata: c\n\ndata: cut", ["|c"]),
        ] as [(String, [String])])
    func lines(text: String, expected: [String]) {
        #expect(events([Array(text.utf8)[...]]).list == expected)
    }

    @Test("gives the same events wherever the stream is cut", arguments: UInt64(0)..<100)
    func splits(seed: UInt64) {
        var random = DialectsRandom(seed: seed)
        let parts = [
            "data: {\"x\":1}", "event: e", "\n", "\r\n", "\r", "\n\n", ": c", "data", "\u{FEFF}",
            "data: long long long",
        ]
        let text = (0..<60).map { _ in parts.randomElement(using: &random) ?? "" }.joined()
        let bytes = Array(text.utf8)
        let whole = events([bytes[...]], max: 40)
        let cut = events(pieces(bytes, &random), max: 40)
        #expect(cut.list == whole.list)
        #expect(cut.skipped == whole.skipped)
        #expect(events(bytes.indices.map { bytes[$0...$0] }, max: 40).list == whole.list)
    }

    @Test("skips an event that is too large and reads the next")
    func oversized() {
        let big = String(repeating: "x", count: 500)
        let text = "data: \(big)\n\ndata: small\n\ndata: \(big.prefix(60))\ndata: \(big.prefix(60))\n\ndata: end\n\n"
        for cut in [[Array(text.utf8)[...]], Array(text.utf8).map { [$0][...] }] {
            let found = events(cut, max: 100)
            #expect(found.list == ["|small", "|end"])
            #expect(found.skipped == 2)
        }
    }

    @Test("a broken stream ends with an error in the client's dialect and never as a whole one")
    func failure() throws {
        for format in UsageFormat.allCases {
            let bytes = try #require(StreamFailure.bytes(format: format, isSSE: true, message: "cut \"here\""))
            let found = events([Array("data: {\"half".utf8)[...], bytes[...]]).list
            #expect(found.count == 2)
            let data = try #require(found.last?.split(separator: "|", maxSplits: 1).last)
            #expect(data.contains(#"cut \"here\""#))
            #expect(!data.contains("[DONE]"))
            #expect(StreamFailure.bytes(format: format, isSSE: false) == nil)
        }
    }
}
