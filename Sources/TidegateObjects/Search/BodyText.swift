/// What a person would read in a body: the strings of a JSON document without its keys, the pieces of an event stream put
/// together again, or the body itself when it is neither. Total: a body may be cut off anywhere.
enum BodyText {
    /// Of one body's text, in bytes: what lies behind is not searched.
    static let bytesMax = 64 << 10
    /// A string of so many bytes without a space is an image or a key, not words.
    static let unbrokenBytesMax = 1_024
    /// Members of a streamed event that hold the next piece of the answer.
    private static let streamed = [
        "content", "text", "delta", "arguments", "partial_json", "response", "refusal", "reasoning_content", "thinking",
    ].map { Array($0.utf8) }

    /// - Returns: UTF-8, except for what was none in the body.
    static func of(_ body: ArraySlice<UInt8>, isEventStream: Bool) -> [UInt8] {
        guard isEventStream || body.first(where: { $0 > 0x20 }).map({ [0x7B, 0x5B].contains($0) }) ?? false else {
            return Array(body.prefix(bytesMax))
        }
        var scanner = StringScanner(body)
        var text: [UInt8] = []
        var key: [UInt8] = []
        while text.count < bytesMax, let string = scanner.next() {
            if string.isKey {
                key = string.bytes
            } else if isEventStream {
                if streamed.contains(key) { text += string.bytes }
            } else if string.bytes.count < unbrokenBytesMax || string.bytes.contains(0x20) {
                text += string.bytes
                text.append(0x0A)
            }
        }
        if text.count > bytesMax { text.removeLast(text.count - bytesMax) }
        return text
    }
}

/// The strings of a JSON text, one after the other, whatever stands between them.
private struct StringScanner {
    private let bytes: ArraySlice<UInt8>
    private var at: Int

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        at = bytes.startIndex
    }

    mutating func next() -> (bytes: [UInt8], isKey: Bool)? {
        while at < bytes.endIndex, bytes[at] != 0x22 { at += 1 }
        guard at < bytes.endIndex else { return nil }
        at += 1
        var string: [UInt8] = []
        while at < bytes.endIndex, bytes[at] != 0x22 {
            let plain = at
            while at < bytes.endIndex, bytes[at] != 0x22, bytes[at] != 0x5C { at += 1 }
            string += bytes[plain..<at]
            if at < bytes.endIndex, bytes[at] == 0x5C { unescape(into: &string) }
        }
        at += 1
        var behind = at
        while behind < bytes.endIndex, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[behind]) { behind += 1 }
        return (string, behind < bytes.endIndex && bytes[behind] == 0x3A)
    }

    private mutating func unescape(into string: inout [UInt8]) {
        let kind = at + 1 < bytes.endIndex ? bytes[at + 1] : 0
        guard kind == UInt8(ascii: "u") else {
            at += 2
            switch kind {
            case UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"), UInt8(ascii: "b"), UInt8(ascii: "f"):
                string.append(0x20)
            default: string.append(kind)
            }
            return
        }
        guard var code = unit(at: at + 2) else { return at += 2 }
        at += 6
        // A surrogate and its other half are one character.
        if code & 0xFC00 == 0xD800, at + 1 < bytes.endIndex, bytes[at] == 0x5C, bytes[at + 1] == UInt8(ascii: "u"),
            let low = unit(at: at + 2), low & 0xFC00 == 0xDC00
        {
            code = 0x10000 + (code & 0x3FF) << 10 + low & 0x3FF
            at += 6
        }
        string += Array(String(Unicode.Scalar(code) ?? "\u{FFFD}").utf8)
    }

    private func unit(at start: Int) -> UInt32? {
        guard start + 4 <= bytes.endIndex else { return nil }
        return UInt32(String(decoding: bytes[start..<(start + 4)], as: UTF8.self), radix: 16)
    }
}
