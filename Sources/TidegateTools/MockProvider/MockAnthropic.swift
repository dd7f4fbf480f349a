/// Answers in Anthropic's format.
enum MockAnthropic {
    static func messages(_ request: MockRequest, _ text: MockText, id: String) -> MockAnswer {
        let usage = MockUsage(request, output: text.tokens)
        func message(content: String, reason: String, usage: String) -> String {
            """
            {"id":"msg_\(id)","type":"message","role":"assistant","model":"\(request.model)","content":[\(content)],\
            "stop_reason":\(reason),"stop_sequence":null,"usage":\(usage)}
            """
        }
        guard request.isStreamed else {
            return MockAnswer(
                json: message(
                    content: "{\"type\":\"text\",\"text\":\"\(text.text)\"}", reason: "\"end_turn\"",
                    usage: usage.anthropic()))
        }
        var events: [String] = []
        func add(_ name: String, _ fields: String) {
            events.append("event: \(name)\ndata: {\"type\":\"\(name)\"\(fields)}\n\n")
        }
        add("message_start", ",\"message\":\(message(content: "", reason: "null", usage: usage.anthropic(output: 1)))")
        add("content_block_start", ",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}")
        add("ping", "")
        for piece in text.pieces {
            add("content_block_delta", ",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"\(piece)\"}")
        }
        add("content_block_stop", ",\"index\":0")
        add(
            "message_delta",
            ",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},"
                + "\"usage\":{\"output_tokens\":\(usage.output)}")
        add("message_stop", "")
        return MockAnswer(events: events)
    }
}
