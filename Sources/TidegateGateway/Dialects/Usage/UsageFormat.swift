/// How a provider's answer says how many tokens it cost. Also tells the dialect in which a stream ends with an error.
package enum UsageFormat: String, Sendable, CaseIterable {
    case openAIChat, openAIResponses, openAIEmbeddings
    case anthropic, gemini, workersAI, cohere
    /// AWS Bedrock's Converse, camel case. Its streams are binary and not read.
    case bedrock
    case replicate
    /// Tokens mean nothing here (audio, images), or the format is not known.
    case none
}
