/// Answers in the format of Workers AI's run calls. Its `v1/` paths speak OpenAI's.
enum MockWorkersAI {
    static func run(_ request: MockRequest, _ text: MockText) -> MockAnswer {
        let usage = MockUsage(request, output: text.tokens)
        guard request.isStreamed else {
            return MockAnswer(
                json: """
                    {"result":{"response":"\(text.text)","usage":\(usage.workers)},"success":true,"errors":[],\
                    "messages":[]}
                    """)
        }
        var events = text.pieces.map { "data: {\"response\":\"\($0)\"}\n\n" }
        events.append("data: {\"response\":\"\",\"usage\":\(usage.workers)}\n\n")
        events.append("data: [DONE]\n\n")
        return MockAnswer(events: events)
    }
}
