/// The bytes that tell a client, in its own dialect, that a stream it is reading broke off. A stream cut at the provider never
/// ends as a whole one does: these bytes lack `[DONE]`, `message_stop` and the like.
package enum StreamFailure {
    package static let messageDefault = "The provider's answer broke off before its end."

    /// - Parameters:
    ///   - isSSE: whether the client reads server-sent events.
    /// - Returns: bytes to send before the stream's end, beginning with a blank line, so that a half-sent event ends first;
    ///   `nil` when the format has no way to say it (a JSON array, plain bytes): then close the connection without ending
    ///   the body, which the client notices as a transport error.
    package static func bytes(
        format: UsageFormat, isSSE: Bool, message: String = Self.messageDefault
    ) -> [UInt8]? {
        guard isSSE else { return nil }
        let text = JSONText.quoted(message)
        let event =
            switch format {
            case .anthropic:
                "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\(text)}}"
            case .gemini: "data: {\"error\":{\"code\":502,\"message\":\(text),\"status\":\"UNAVAILABLE\"}}"
            case .openAIResponses:
                "event: error\ndata: {\"type\":\"error\",\"code\":\"upstream_error\",\"message\":\(text),\"param\":null}"
            case .openAIChat, .openAIEmbeddings, .workersAI, .replicate:
                "data: {\"error\":{\"message\":\(text),\"type\":\"upstream_error\",\"param\":null,"
                    + "\"code\":\"upstream_error\"}}"
            case .cohere, .bedrock, .none: "event: error\ndata: {\"error\":{\"message\":\(text)}}"
            }
        return Array("\n\n\(event)\n\n".utf8)
    }
}
