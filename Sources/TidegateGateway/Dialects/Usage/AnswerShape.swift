/// Where an answer of a format keeps its usage object and the model's name: paths of usage first, then paths of the model.
struct AnswerShape: Sendable {
    let paths: FieldPaths
    let usagePaths: Int

    private init(usage: [String], model: [String]) {
        paths = FieldPaths(usage + model)
        usagePaths = usage.count
    }

    /// Of a whole answer, a sequence of documents, or an array of them.
    static func whole(_ format: UsageFormat) -> AnswerShape? {
        switch format {
        case .openAIChat, .openAIResponses, .openAIEmbeddings, .anthropic, .bedrock: plain
        case .gemini: gemini
        case .workersAI: workersAI
        case .cohere: cohere
        case .replicate: replicate
        case .none: nil
        }
    }

    /// Of the data of one server-sent event.
    static func event(_ format: UsageFormat) -> AnswerShape? {
        switch format {
        case .openAIChat, .openAIResponses, .openAIEmbeddings, .workersAI: openAIEvent
        case .anthropic: anthropicEvent
        case .gemini: gemini
        case .cohere: cohereEvent
        case .bedrock, .replicate, .none: nil
        }
    }

    private static let plain = AnswerShape(usage: ["usage"], model: ["model"])
    private static let gemini = AnswerShape(usage: ["usageMetadata"], model: ["modelVersion"])
    private static let workersAI = AnswerShape(usage: ["result.usage", "usage"], model: ["result.model", "model"])
    private static let cohere = AnswerShape(
        usage: ["usage.billed_units", "meta.billed_units", "response.meta.billed_units"], model: ["model"])
    private static let replicate = AnswerShape(usage: ["metrics"], model: ["model"])
    private static let openAIEvent = AnswerShape(
        usage: ["usage", "response.usage", "x_groq.usage"], model: ["model", "response.model"])
    private static let anthropicEvent = AnswerShape(usage: ["message.usage", "usage"], model: ["message.model"])
    private static let cohereEvent = AnswerShape(
        usage: ["delta.usage.billed_units", "response.meta.billed_units"], model: ["model"])
}
