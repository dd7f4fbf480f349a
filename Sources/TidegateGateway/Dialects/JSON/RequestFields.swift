/// What the gateway reads of a request's body: a handful of fields that OpenAI's, Anthropic's and most other formats share.
package struct RequestFields: Equatable, Sendable {
    package var model: String?
    /// Where the model's value lies in the body, quotes included.
    package var modelRange: Range<Int>?
    package var wantsStream = false
    /// `stream_options.include_usage`: without it an OpenAI stream says nothing about tokens.
    package var wantsStreamUsage = false
    /// The first of `max_completion_tokens`, `max_output_tokens`, `max_tokens` that is a whole number ≥ 0.
    package var maxTokens: Int64?

    package init() {}

    private static let paths = FieldPaths([
        "model", "stream", "stream_options.include_usage", "max_completion_tokens", "max_output_tokens", "max_tokens",
    ])

    /// - Parameter isWhole: false for the beginning of a body: the fields in it count, wherever it is cut.
    /// - Returns: `nil` when the body is no JSON object (multipart, audio, broken or too deep): it still goes upstream as it is.
    package init?(body: UnsafeRawBufferPointer, isWhole: Bool = true) {
        var walker = JSONWalker(body)
        walker.skipSpace()
        guard walker.current == UInt8(ascii: "{") else { return nil }
        do throws(JSONFault) {
            self = try FieldScanner.scan(body, for: Self.paths, isWhole: isWhole) { found in
                var fields = RequestFields()
                fields.model = found[0].string(in: body)
                fields.modelRange = found[0].kind == .string ? found[0].range : nil
                fields.wantsStream = found[1].bool ?? false
                fields.wantsStreamUsage = found[2].bool ?? false
                for slot in 3...5 where fields.maxTokens == nil {
                    fields.maxTokens = found[slot].integer(in: body).flatMap { $0 >= 0 ? $0 : nil }
                }
                return fields
            }
        } catch {
            return nil
        }
    }

    /// The body with another model, every other byte as it was.
    /// - Returns: `nil` when there was no model in it.
    package func body(_ bytes: UnsafeRawBufferPointer, renamingModelTo model: String) -> [UInt8]? {
        guard let modelRange, modelRange.upperBound <= bytes.count else { return nil }
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count + model.utf8.count + 2)
        output += UnsafeRawBufferPointer(rebasing: bytes[..<modelRange.lowerBound])
        JSONText.append(model, to: &output)
        output += UnsafeRawBufferPointer(rebasing: bytes[modelRange.upperBound...])
        return output
    }
}
