/// The text form of JSON strings, both ways.
package enum JSONText {
    /// Resolves the escapes of a string's content (between the quotes). The content must have been scanned as valid.
    package static func unescaped(_ content: UnsafeRawBufferPointer) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(content.count)
        var at = 0
        while at < content.count {
            let byte = content[at]
            guard byte == UInt8(ascii: "\\"), at + 1 < content.count else {
                text.append(byte)
                at += 1
                continue
            }
            let escape = content[at + 1]
            at += 2
            switch escape {
            case UInt8(ascii: "n"): text.append(0x0A)
            case UInt8(ascii: "t"): text.append(0x09)
            case UInt8(ascii: "r"): text.append(0x0D)
            case UInt8(ascii: "b"): text.append(0x08)
            case UInt8(ascii: "f"): text.append(0x0C)
            case UInt8(ascii: "u"):
                var scalar = hex4(content, at)
                at += 4
                if scalar & 0xFC00 == 0xD800 {
                    scalar = 0x1_0000 + (scalar & 0x3FF) << 10 + hex4(content, at + 2) & 0x3FF
                    at += 6
                }
                if let scalar = Unicode.Scalar(scalar), let encoded = UTF8.encode(scalar) { text += encoded }
            default: text.append(escape)
            }
        }
        return text
    }

    /// The value of four hexadecimal digits; beyond the end and other bytes count as zero.
    static func hex4(_ bytes: UnsafeRawBufferPointer, _ at: Int) -> UInt32 {
        var value: UInt32 = 0
        for index in at..<at + 4 { value = value << 4 | UInt32(index < bytes.count ? hexDigit(bytes[index]) ?? 0 : 0) }
        return value
    }

    static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x37
        case 0x61...0x66: byte - 0x57
        default: nil
        }
    }

    /// Appends `text` as a JSON string with its quotes.
    package static func append(_ text: some StringProtocol, to output: inout [UInt8]) {
        let digits = Array("0123456789abcdef".utf8)
        output.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): output += [UInt8(ascii: "\\"), byte]
            case 0x0A: output += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
            case 0..<0x20: output += Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: output.append(byte)
            }
        }
        output.append(UInt8(ascii: "\""))
    }

    package static func quoted(_ text: some StringProtocol) -> String {
        var output: [UInt8] = []
        append(text, to: &output)
        return String(decoding: output, as: UTF8.self)
    }
}
