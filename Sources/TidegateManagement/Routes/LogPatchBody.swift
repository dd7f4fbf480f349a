internal import TidegateCore

/// Reads the body of a row's change (reference/management-api.md §3.5).
enum LogPatchBody {
    static let metadataEntriesMax = 32
    static let metadataBytesMax = 16 * 1024

    static func read(_ body: [UInt8]) throws(APIFailure) -> LogPatch {
        var reader = try BodyReader(body)
        var patch = LogPatch()
        if let value = reader.number("feedback", in: -1...1) { patch.feedback = .some(value) }
        if reader.isNull("feedback") { patch.feedback = .some(nil) }
        if let value = reader.number("score", in: 0...100) { patch.score = .some(value) }
        if reader.isNull("score") { patch.score = .some(nil) }
        if reader.isNull("metadata") {
            patch.metadata = .some(nil)
        } else if let value = reader["metadata"] {
            patch.metadata = .some(metadata(value, &reader))
        }
        try reader.finish()
        return patch
    }

    private static func metadata(_ value: JSONValue, _ reader: inout BodyReader) -> String {
        guard case .object(let fields) = value else {
            reader.refuse("Must be an object", "metadata")
            return ""
        }
        if fields.count > metadataEntriesMax { reader.refuse("At most \(metadataEntriesMax) entries", "metadata") }
        for (name, value) in fields.sorted(by: { $0.key < $1.key }) {
            switch value {
            case .string, .bool, .integer, .number: continue
            case .null, .array, .object: reader.refuse("Must be a string, number or boolean", "metadata", .name(name))
            }
        }
        let text = JSONText(value).encoded()
        if text.count > metadataBytesMax { reader.refuse("Longer than \(metadataBytesMax) bytes", "metadata") }
        return String(decoding: text, as: UTF8.self)
    }
}
