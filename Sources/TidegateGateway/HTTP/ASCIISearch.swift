/// Looks for ASCII text byte by byte: `String.contains` searches by grapheme, which costs microseconds a call.
enum ASCIISearch {
    /// - Parameters:
    ///   - needle: lower case, not empty.
    ///   - ignoringCase: whether A–Z in `text` count as a–z.
    static func contains(_ text: some StringProtocol, _ needle: StaticString, ignoringCase: Bool = false) -> Bool {
        text.utf8.withContiguousStorageIfAvailable { find($0, needle, ignoringCase) }
            ?? Array(text.utf8).withUnsafeBufferPointer { find($0, needle, ignoringCase) }
    }

    private static func find(
        _ text: UnsafeBufferPointer<UInt8>, _ needle: StaticString, _ ignoringCase: Bool
    ) -> Bool {
        let count = needle.utf8CodeUnitCount
        var start = 0
        while start + count <= text.count {
            var matched = 0
            while matched < count {
                var byte = text[start + matched]
                if ignoringCase, byte >= 0x41, byte <= 0x5A { byte |= 0x20 }
                guard byte == needle.utf8Start[matched] else { break }
                matched += 1
            }
            if matched == count { return true }
            start += 1
        }
        return false
    }
}
