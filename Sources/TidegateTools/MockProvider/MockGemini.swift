/// Answers in Gemini's format.
enum MockGemini {
    static func generate(_ request: MockRequest, _ text: MockText) -> MockAnswer {
        MockAnswer(json: part(request, text.text, isLast: true, usage: MockUsage(request, output: text.tokens)))
    }

    /// With `alt=sse` events, else one JSON array that grows; usage so far on every part.
    static func stream(_ request: MockRequest, _ text: MockText) -> MockAnswer {
        var bytes = 0
        let parts = text.pieces.enumerated().map { index, piece in
            bytes += piece.utf8.count
            let usage = MockUsage(request, output: MockText.tokens(bytes: bytes))
            return part(request, piece, isLast: index == text.pieces.count - 1, usage: usage)
        }
        guard !request.query.contains("alt=sse") else { return MockAnswer(events: parts.map { "data: \($0)\r\n\r\n" }) }
        let pieces = parts.enumerated().map { index, part in
            (index == 0 ? "[" : ",\r\n") + part + (index == parts.count - 1 ? "]" : "")
        }
        return MockAnswer(events: pieces, contentType: "application/json; charset=UTF-8")
    }

    private static func part(_ request: MockRequest, _ text: String, isLast: Bool, usage: MockUsage) -> String {
        """
        {"candidates":[{"content":{"parts":[{"text":"\(text)"}],"role":"model"}\
        \(isLast ? ",\"finishReason\":\"STOP\"" : ""),"index":0}],"usageMetadata":\(usage.gemini),\
        "modelVersion":"\(request.model)"}
        """
    }
}
