/// `cf-aig-metadata`: a flat JSON object that the caller attaches to the row.
package enum CallMetadata {
    package static let entriesMax = 5

    /// Keeps the first five members whose names do not begin with `cf.`; of equal names the last value counts.
    /// - Returns: a compact JSON object; `nil` when nothing is kept, the text is no JSON object, or any value is neither
    ///   string, number nor boolean (then the whole set is dropped, as the original service does).
    package static func flattened(_ header: String) -> String? {
        var text = header
        return text.withUTF8 { flattened(UnsafeRawBufferPointer($0)) }
    }

    private static func flattened(_ bytes: UnsafeRawBufferPointer) -> String? {
        guard let root = try? FieldScanner.scan(bytes, for: FieldPaths([]), { _ in true }), root else { return nil }
        var walker = JSONWalker(bytes)
        walker.skipSpace()
        guard walker.current == UInt8(ascii: "{") else { return nil }
        var entries: [(name: String, value: Range<Int>)] = []
        var isFlat = true
        let isRead: Void? = try? FieldScanner.members(of: bytes, in: walker.at..<bytes.count) { key, value in
            switch value.kind {
            case .string, .number, .true, .false: break
            case .null, .array, .object, .absent:
                isFlat = false
                return false
            }
            guard let name = key.string(in: bytes), !name.hasPrefix("cf.") else { return true }
            if let known = entries.firstIndex(where: { $0.name == name }) {
                entries[known].value = value.range
            } else if entries.count < entriesMax {
                entries.append((name, value.range))
            }
            return true
        }
        guard isRead != nil, isFlat, !entries.isEmpty else { return nil }
        var output: [UInt8] = [UInt8(ascii: "{")]
        for (index, entry) in entries.enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            JSONText.append(entry.name, to: &output)
            output.append(UInt8(ascii: ":"))
            output += UnsafeRawBufferPointer(rebasing: bytes[entry.value])
        }
        output.append(UInt8(ascii: "}"))
        return String(decoding: output, as: UTF8.self)
    }
}
