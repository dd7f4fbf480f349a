/// Finds in one pass the few fields of a request that an answer depends on. Ranges count from the body's first byte.
struct MockBodyScan {
    private(set) var model: Range<Int>?
    private(set) var nonce: Range<Int>?
    private(set) var isStreamed = false
    private(set) var wantsStreamUsage = false
    private(set) var wantsBase64 = false
    private(set) var marksCache = false

    init(_ bytes: UnsafeRawBufferPointer) {
        var index = 0
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "\""): readKey(bytes, at: index)
            case UInt8(ascii: "n") where nonce == nil && Self.has("nonce:", bytes, at: index):
                nonce = Self.word(bytes, from: index + 6)
            default: break
            }
            index += 1
        }
    }

    private mutating func readKey(_ bytes: UnsafeRawBufferPointer, at index: Int) {
        guard index + 1 < bytes.count else { return }
        switch bytes[index + 1] {
        case UInt8(ascii: "m") where model == nil && Self.has("\"model\"", bytes, at: index):
            model = Self.string(bytes, after: index + 7)
        case UInt8(ascii: "s") where Self.has("\"stream\"", bytes, at: index):
            isStreamed = Self.value("true", bytes, after: index + 8)
        case UInt8(ascii: "i") where Self.has("\"include_usage\"", bytes, at: index):
            wantsStreamUsage = Self.value("true", bytes, after: index + 15)
        case UInt8(ascii: "e") where Self.has("\"encoding_format\"", bytes, at: index):
            wantsBase64 = Self.value("\"base64\"", bytes, after: index + 17)
        case UInt8(ascii: "c") where Self.has("\"cache_control\"", bytes, at: index):
            marksCache = true
        default: break
        }
    }

    private static func has(_ text: StaticString, _ bytes: UnsafeRawBufferPointer, at index: Int) -> Bool {
        guard bytes.count - index >= text.utf8CodeUnitCount else { return false }
        for offset in 0..<text.utf8CodeUnitCount where bytes[index + offset] != text.utf8Start[offset] { return false }
        return true
    }

    /// Index of the value behind a key and its colon.
    private static func start(_ bytes: UnsafeRawBufferPointer, after index: Int) -> Int {
        var index = index
        while index < bytes.count, bytes[index] <= 0x20 || bytes[index] == UInt8(ascii: ":") { index += 1 }
        return index
    }

    private static func value(_ text: StaticString, _ bytes: UnsafeRawBufferPointer, after index: Int) -> Bool {
        has(text, bytes, at: start(bytes, after: index))
    }

    private static func string(_ bytes: UnsafeRawBufferPointer, after index: Int) -> Range<Int>? {
        let quote = start(bytes, after: index)
        guard quote < bytes.count, bytes[quote] == UInt8(ascii: "\"") else { return nil }
        var end = quote + 1
        while end < bytes.count, bytes[end] != UInt8(ascii: "\"") { end += bytes[end] == UInt8(ascii: "\\") ? 2 : 1 }
        return end < bytes.count ? quote + 1..<end : nil
    }

    private static func word(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Range<Int>? {
        var end = start
        while end < bytes.count, end - start < 64, isWord(bytes[end]) { end += 1 }
        return end > start ? start..<end : nil
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
