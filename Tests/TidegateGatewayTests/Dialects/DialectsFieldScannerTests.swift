import Foundation
import Testing

@testable import TidegateGateway

@Suite("field scanner")
struct DialectsFieldScannerTests {
    private static let names = ["model", "stream", "usage.prompt_tokens", "usage", "a.b.c", "max_tokens"]

    private func scan(_ bytes: [UInt8]) throws -> [FieldValue] {
        try bytes.withUnsafeBytes { try FieldScanner.scan($0, for: FieldPaths(Self.names)) { Array($0) } }
    }

    private func fault(_ bytes: [UInt8]) -> JSONFault? {
        do {
            _ = try scan(bytes)
            return nil
        } catch {
            return error as? JSONFault
        }
    }

    /// Foundation takes `{"a":1,}` and `[1,]`; RFC 8259 does not, and neither do we.
    private static func endsWithComma(_ fault: JSONFault?, _ bytes: [UInt8]) -> Bool {
        guard let fault, fault.offset < bytes.count, "}]".utf8.contains(bytes[fault.offset]) else { return false }
        return bytes[..<fault.offset].last { !" \n\r\t".utf8.contains($0) } == UInt8(ascii: ",")
    }

    private func reason(_ text: String) -> JSONFault.Reason? { fault(Array(text.utf8))?.reason }

    @Test(
        "accepts what RFC 8259 accepts",
        arguments: [
            "{}", "[]", " null ", "-0.0e+10", "\"\"", "[1,2 , {\"a\":[]}]", "\"\\ud83d\\ude00 \\/ \u{1F600}é\"",
            "\u{FEFF}{}", "{\"a\":{\"b\":{\"c\":[[[]]]}}}",
        ])
    func accepts(text: String) { #expect(reason(text) == nil) }

    @Test(
        "refuses what RFC 8259 refuses",
        arguments: [
            "", " ", "{", "}", "[1,]", "{\"a\":1,}", "{a:1}", "nul", "truex", "01", "1.", ".5", "+1", "1e", "- 1", "\"",
            "\"\\x\"", "\"\\u12g4\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\u{01}\"", "[1 2]", "{}{}",
            "{\"a\" 1}", "[}", "{]", "'a'", "// c\n1", "{\"a\":}", "[,1]", "NaN", "\"tab\t\"",
        ])
    func refuses(text: String) { #expect(reason(text) == .malformed) }

    @Test(
        "refuses bytes that are no UTF-8",
        arguments: [[0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xE2, 0x82]])
    func refusesBytes(bytes: [UInt8]) {
        #expect(throws: JSONFault.self) { try scan([0x22] + bytes + [0x22]) }
    }

    @Test("gives up at the depth limit and not before")
    func depth() {
        func nested(_ count: Int) -> String {
            String(repeating: "[", count: count) + String(repeating: "]", count: count)
        }
        #expect(reason(nested(JSONWalker.depthMax)) == nil)
        #expect(reason(nested(JSONWalker.depthMax + 1)) == .tooDeep)
        #expect(reason("{\"a\":{\"b\":\(nested(JSONWalker.depthMax - 2))}}") == nil)
        #expect(reason("{\"a\":{\"b\":\(nested(JSONWalker.depthMax - 1))}}") == .tooDeep)
        #expect(reason(String(repeating: "[", count: 1_000_000)) == .tooDeep)
    }

    @Test("the last of equal names counts, and takes what the earlier one held away")
    func duplicates() throws {
        let text = Array(#"{"usage":{"prompt_tokens":1},"model":"a","mod\u0065l":"b\n","usage":{"x":2}}"#.utf8)
        let found = try scan(text)
        text.withUnsafeBytes { bytes in
            #expect(found[0].string(in: bytes) == "b\n")
            #expect(found[2].kind == .absent)
            #expect(found[3].kind == .object)
        }
    }

    @Test(
        "reads whole numbers exactly and nothing else as one",
        arguments: [
            ("12", 12), ("-3", -3), ("12.0", 12), ("1e2", 100), ("9223372036854775807", .max),
            ("-9223372036854775808", .min), ("9223372036854775808", nil), ("1.5", nil), ("1e400", nil), ("\"1\"", nil),
        ] as [(String, Int64?)])
    func integers(text: String, value: Int64?) throws {
        let document = Array("{\"max_tokens\":\(text)}".utf8)
        let found = try scan(document)
        #expect(document.withUnsafeBytes { found[5].integer(in: $0) } == value)
    }

    private static let samples = [
        #"{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"h\u00e9 \ud83d\ude00 é😀\n"}],"max_tokens":12}"#,
        #"{"a":{"b":{"c":[1,2.5e-3,-0,null,true,false,{}]}},"usage":{"prompt_tokens":7,"x":{"y":[]}},"model":null}"#,
        #" [ {"model" : "x" , "stream" : false } , [ ] , "\\\"\/\b\f\n\r\t" , 1E+5 ] "#,
        #"{"usage":{"prompt_tokens":1},"usage":{"prompt_tokens":2},"model":"first","model":"second","stream":1}"#,
    ]

    /// Foundation is the judge, but for its trailing commas; it refuses numbers beyond a double, reads UTF-16 and nests 512 deep, so samples avoid these.
    @Test("agrees with Foundation on mutated documents", arguments: UInt64(0)..<60)
    func differential(seed: UInt64) throws {
        var random = DialectsRandom(seed: seed)
        let alphabet = Array("{}[]\",:\\u0123456789.-truefalsn \n\u{7F}".utf8) + [0x1F, 0x80, 0xC3, 0xE2, 0xF0, 0xFF]
        var valid = 0
        for round in 0..<200 {
            var bytes = Array(Self.samples[round % Self.samples.count].utf8)
            for _ in 0..<Int.random(in: 0...2, using: &random) where !bytes.isEmpty {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes.remove(at: at)
                case 1: bytes.insert(alphabet.randomElement(using: &random) ?? 0x20, at: at)
                case 2: bytes[at] = alphabet.randomElement(using: &random) ?? 0x20
                default:
                    let end = min(bytes.count, at + Int.random(in: 0...12, using: &random))
                    bytes.insert(
                        contentsOf: Array(bytes[at..<end]), at: Int.random(in: 0..<bytes.count, using: &random))
                }
            }
            let theirs = try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
            let ours = try? scan(bytes)
            if theirs != nil, Self.endsWithComma(fault(bytes), bytes) { continue }
            #expect((ours != nil) == (theirs != nil), "seed \(seed): \(String(decoding: bytes, as: UTF8.self))")
            guard let ours, let theirs else { continue }
            valid += 1
            let root = theirs as? [String: Any]
            bytes.withUnsafeBytes { buffer in
                #expect(ours[0].string(in: buffer) == root?["model"] as? String)
                let usage = root?["usage"] as? [String: Any]
                #expect((ours[3].kind == .object) == (usage != nil))
                let tokens = usage?["prompt_tokens"] as? NSNumber
                if ours[2].kind == .number { #expect(ours[2].number(in: buffer) == tokens?.doubleValue) }
                if ours[2].kind == .absent { #expect(usage?["prompt_tokens"] == nil) }
            }
        }
        #expect(valid > 10)
    }

    @Test("reads a request's fields and renames its model without touching another byte")
    func request() throws {
        let body = Array(
            #"{ "x":"model","model" : "openai/gpt-4o", "stream":true,"stream_options":{"include_usage":true},"max_tokens":5}"#
                .utf8)
        try body.withUnsafeBytes { bytes in
            let fields = try #require(RequestFields(body: bytes))
            #expect(fields.model == "openai/gpt-4o")
            #expect(fields.wantsStream && fields.wantsStreamUsage)
            #expect(fields.maxTokens == 5)
            let renamed = try #require(fields.body(bytes, renamingModelTo: "a\"b"))
            let expected = String(decoding: body, as: UTF8.self)
                .replacingOccurrences(of: #""openai/gpt-4o""#, with: #""a\"b""#)
            #expect(String(decoding: renamed, as: UTF8.self) == expected)
        }
        for text in ["", "[]", "--boundary", "{\"model\":"] {
            #expect(Array(text.utf8).withUnsafeBytes { RequestFields(body: $0) } == nil)
        }
    }
}
