/// Answers in OpenAI's formats.
enum MockOpenAI {
    private static let created = 1_767_225_600

    static func chat(_ request: MockRequest, _ text: MockText, id: String) -> MockAnswer {
        let usage = MockUsage(request, output: text.tokens)
        guard request.isStreamed else {
            return MockAnswer(
                json: """
                    {"id":"chatcmpl-\(id)","object":"chat.completion","created":\(created),"model":"\(request.model)",\
                    "choices":[{"index":0,"message":{"role":"assistant","content":"\(text.text)","refusal":null},\
                    "logprobs":null,"finish_reason":"stop"}],"usage":\(usage.chat),"system_fingerprint":"fp_mock"}
                    """)
        }
        let head = """
            data: {"id":"chatcmpl-\(id)","object":"chat.completion.chunk","created":\(created),\
            "model":"\(request.model)",
            """
        let tail = request.wantsStreamUsage ? ",\"usage\":null}\n\n" : "}\n\n"
        var events = text.pieces.enumerated().map { index, piece in
            let role = index == 0 ? "\"role\":\"assistant\"," : ""
            return head + "\"choices\":[{\"index\":0,\"delta\":{\(role)\"content\":\"\(piece)\"},"
                + "\"finish_reason\":null}]" + tail
        }
        events.append(head + "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]" + tail)
        if request.wantsStreamUsage { events.append(head + "\"choices\":[],\"usage\":\(usage.chat)}\n\n") }
        events.append("data: [DONE]\n\n")
        return MockAnswer(events: events)
    }

    static func responses(_ request: MockRequest, _ text: MockText, id: String) -> MockAnswer {
        let usage = MockUsage(request, output: text.tokens)
        func item(_ content: String, status: String) -> String {
            """
            {"type":"message","id":"msg_\(id)","status":"\(status)","role":"assistant","content":[\(content)]}
            """
        }
        let part = "{\"type\":\"output_text\",\"text\":\"\(text.text)\",\"annotations\":[]}"
        func response(status: String, output: String, usage: String) -> String {
            """
            {"id":"resp_\(id)","object":"response","created_at":\(created),"status":"\(status)","error":null,\
            "incomplete_details":null,"instructions":null,"metadata":{},"model":"\(request.model)",\
            "output":[\(output)],"parallel_tool_calls":true,"temperature":1.0,"tool_choice":"auto","tools":[],\
            "top_p":1.0,"usage":\(usage)}
            """
        }
        let whole = response(status: "completed", output: item(part, status: "completed"), usage: usage.responses)
        guard request.isStreamed else { return MockAnswer(json: whole) }
        var events: [String] = []
        func add(_ name: String, _ fields: String) {
            events.append(
                "event: \(name)\ndata: {\"type\":\"\(name)\",\"sequence_number\":\(events.count),\(fields)}\n\n")
        }
        let place = "\"item_id\":\"msg_\(id)\",\"output_index\":0,\"content_index\":0"
        let empty = response(status: "in_progress", output: "", usage: "null")
        add("response.created", "\"response\":\(empty)")
        add("response.in_progress", "\"response\":\(empty)")
        add("response.output_item.added", "\"output_index\":0,\"item\":\(item("", status: "in_progress"))")
        add(
            "response.content_part.added",
            "\(place),\"part\":{\"type\":\"output_text\",\"text\":\"\",\"annotations\":[]}")
        for piece in text.pieces {
            add("response.output_text.delta", "\(place),\"delta\":\"\(piece)\",\"logprobs\":[]")
        }
        add("response.output_text.done", "\(place),\"text\":\"\(text.text)\",\"logprobs\":[]")
        add("response.content_part.done", "\(place),\"part\":\(part)")
        add("response.output_item.done", "\"output_index\":0,\"item\":\(item(part, status: "completed"))")
        add("response.completed", "\"response\":\(whole)")
        return MockAnswer(events: events)
    }

    static let modelIDs = ["gpt-4o", "gpt-4o-mini", "text-embedding-3-small"]

    static func model(_ id: String) -> String {
        "{\"id\":\"\(id)\",\"object\":\"model\",\"created\":\(created),\"owned_by\":\"mock\"}"
    }

    static func models() -> MockAnswer {
        MockAnswer(json: "{\"object\":\"list\",\"data\":[\(modelIDs.map(model).joined(separator: ","))]}")
    }
}
