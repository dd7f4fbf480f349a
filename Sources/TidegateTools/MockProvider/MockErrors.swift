/// Errors in the dialect of the provider that a call looks meant for.
enum MockErrors {
    enum Kind { case badRequest, unauthorized, notFound, rateLimited, internalError, unavailable }
    enum Dialect { case openAI, anthropic, gemini, workersAI }

    static func dialect(of request: MockRequest) -> Dialect {
        switch request.route {
        case .messages: .anthropic
        case .generate, .streamGenerate: .gemini
        case .workersRun: .workersAI
        case .chat, .responses, .embeddings, .models, .model, .stats: .openAI
        case .unknown where request.hasAPIKey || request.hasAnthropicVersion: .anthropic
        case .unknown where request.hasGoogleKey: .gemini
        case .unknown: .openAI
        }
    }

    static func answer(_ kind: Kind, _ message: String, to request: MockRequest) -> MockAnswer {
        let words = words(for: kind)
        var answer =
            switch dialect(of: request) {
            case .openAI:
                MockAnswer(
                    json: """
                        {"error":{"message":"\(message)","type":"\(words.openAI)","param":null,"code":\(words.code)}}
                        """, status: words.status)
            case .anthropic:
                MockAnswer(
                    json: """
                        {"type":"error","error":{"type":"\(words.anthropic)","message":"\(message)"},\
                        "request_id":"req_mock"}
                        """, status: words.status == 503 ? 529 : words.status)
            case .gemini:
                MockAnswer(
                    json: """
                        {"error":{"code":\(words.status),"message":"\(message)","status":"\(words.gemini)"}}
                        """, status: words.status)
            case .workersAI:
                MockAnswer(
                    json: """
                        {"result":null,"success":false,"errors":[{"code":\(words.workers),"message":"\(message)"}],\
                        "messages":[]}
                        """, status: words.status)
            }
        if kind == .rateLimited { answer.retryAfterSeconds = 1 }
        return answer
    }

    private struct Words {
        var status: Int
        var openAI: String
        var code: String
        var anthropic: String
        var gemini: String
        var workers: Int
    }

    private static func words(for kind: Kind) -> Words {
        switch kind {
        case .badRequest:
            Words(
                status: 400, openAI: "invalid_request_error", code: "null", anthropic: "invalid_request_error",
                gemini: "INVALID_ARGUMENT", workers: 5_006)
        case .unauthorized:
            Words(
                status: 401, openAI: "invalid_request_error", code: "\"invalid_api_key\"",
                anthropic: "authentication_error", gemini: "UNAUTHENTICATED", workers: 10_000)
        case .notFound:
            Words(
                status: 404, openAI: "invalid_request_error", code: "null", anthropic: "not_found_error",
                gemini: "NOT_FOUND", workers: 7_000)
        case .rateLimited:
            Words(
                status: 429, openAI: "rate_limit_error", code: "\"rate_limit_exceeded\"",
                anthropic: "rate_limit_error", gemini: "RESOURCE_EXHAUSTED", workers: 3_036)
        case .internalError:
            Words(
                status: 500, openAI: "server_error", code: "null", anthropic: "api_error", gemini: "INTERNAL",
                workers: 3_043)
        case .unavailable:
            Words(
                status: 503, openAI: "server_error", code: "null", anthropic: "overloaded_error",
                gemini: "UNAVAILABLE", workers: 3_040)
        }
    }
}
