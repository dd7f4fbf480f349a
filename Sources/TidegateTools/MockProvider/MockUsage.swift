/// Token counts of one call. Cached input is deterministic: OpenAI and Gemini count half of an input of 1024 tokens or
/// more as cached; Anthropic reads a quarter and writes an eighth of an input that marks `cache_control`.
struct MockUsage: Equatable, Sendable {
    let input: Int
    let output: Int
    let cached: Int
    let anthropicRead: Int
    let anthropicWritten: Int

    init(_ request: MockRequest, output: Int) {
        input = MockText.tokens(bytes: request.bodyBytes)
        self.output = output
        cached = input >= 1_024 ? input / 2 : 0
        anthropicRead = request.marksCache ? input / 4 : 0
        anthropicWritten = request.marksCache ? input / 8 : 0
    }

    var chat: String {
        """
        {"prompt_tokens":\(input),"completion_tokens":\(output),"total_tokens":\(input + output),\
        "prompt_tokens_details":{"cached_tokens":\(cached)},"completion_tokens_details":{"reasoning_tokens":0}}
        """
    }

    var responses: String {
        """
        {"input_tokens":\(input),"input_tokens_details":{"cached_tokens":\(cached)},"output_tokens":\(output),\
        "output_tokens_details":{"reasoning_tokens":0},"total_tokens":\(input + output)}
        """
    }

    /// - Parameter output: what is known so far; the whole count when absent.
    func anthropic(output: Int? = nil) -> String {
        """
        {"input_tokens":\(input - anthropicRead - anthropicWritten),"cache_creation_input_tokens":\(anthropicWritten),\
        "cache_read_input_tokens":\(anthropicRead),"output_tokens":\(output ?? self.output)}
        """
    }

    var gemini: String {
        """
        {"promptTokenCount":\(input),"candidatesTokenCount":\(output),"totalTokenCount":\(input + output),\
        "cachedContentTokenCount":\(cached)}
        """
    }

    var workers: String {
        "{\"prompt_tokens\":\(input),\"completion_tokens\":\(output),\"total_tokens\":\(input + output)}"
    }
}
