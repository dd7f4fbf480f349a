/// Decides an answer from a call and its number. Pure: the same call with the same number gets the same answer.
package struct MockCore: Sendable {
    package let behaviour: MockBehaviour

    package init(behaviour: MockBehaviour) { self.behaviour = behaviour }

    /// - Parameter ordinal: number of the call, from 0, in order of arrival.
    package func answer(_ request: MockRequest, ordinal: UInt64) -> MockAnswer {
        var fate = MockFate(behaviour, ordinal: ordinal)
        if let fault = request.forcedFault { fate.fault = fault }
        if let latency = request.forcedLatencyMs { fate.latencyMs = latency }
        var answer = refusal(of: request) ?? faulty(request, fate) ?? healthy(request, ordinal: ordinal)
        answer.latencyMs = fate.latencyMs
        answer.intervalMs = request.forcedIntervalMs ?? behaviour.chunkIntervalMs
        guard answer.status == 200 else { return answer }
        switch fate.fault {
        case .stall: answer.ending = .stall
        case .cut: answer.ending = .cut(afterPieces: answer.pieces.count / 2)
        case .malformed: answer.breakJSON()
        case .error, .unavailable, .rateLimit, nil: break
        }
        return answer
    }

    private func refusal(of request: MockRequest) -> MockAnswer? {
        if request.hasInvalidKey {
            return MockErrors.answer(.unauthorized, "Incorrect API key provided.", to: request)
        }
        guard behaviour.requiresKey, !hasKey(request) else { return nil }
        return MockErrors.answer(.unauthorized, "No API key was provided.", to: request)
    }

    private func hasKey(_ request: MockRequest) -> Bool {
        switch MockErrors.dialect(of: request) {
        case .openAI, .workersAI: request.hasBearer
        case .anthropic: request.hasAPIKey || request.hasBearer
        case .gemini: request.hasGoogleKey || request.hasBearer
        }
    }

    private func faulty(_ request: MockRequest, _ fate: MockFate) -> MockAnswer? {
        switch fate.fault {
        case .error: MockErrors.answer(.internalError, "The mock provider failed on purpose.", to: request)
        case .unavailable: MockErrors.answer(.unavailable, "The mock provider is overloaded on purpose.", to: request)
        case .rateLimit: MockErrors.answer(.rateLimited, "Rate limit reached on purpose.", to: request)
        case .stall, .cut, .malformed, nil: nil
        }
    }

    private func healthy(_ request: MockRequest, ordinal: UInt64) -> MockAnswer {
        let id = request.nonce ?? "mock-\(ordinal)"
        func text(isStreamed: Bool) -> MockText {
            MockText(
                nonce: request.nonce, seed: behaviour.seed, bodyBytes: request.bodyBytes,
                pieces: isStreamed ? request.forcedChunks ?? behaviour.streamChunks : 1)
        }
        return switch request.route {
        case .chat: MockOpenAI.chat(request, text(isStreamed: request.isStreamed), id: id)
        case .responses: MockOpenAI.responses(request, text(isStreamed: request.isStreamed), id: id)
        case .embeddings:
            MockEmbeddings.answer(request)
                ?? MockErrors.answer(.badRequest, "'input' must be a string or an array.", to: request)
        case .models: MockOpenAI.models()
        case .model(let name):
            MockOpenAI.modelIDs.contains(name)
                ? MockAnswer(json: MockOpenAI.model(name))
                : MockErrors.answer(.notFound, "The model does not exist.", to: request)
        case .messages: MockAnthropic.messages(request, text(isStreamed: request.isStreamed), id: id)
        case .generate: MockGemini.generate(request, text(isStreamed: false))
        case .streamGenerate: MockGemini.stream(request, text(isStreamed: true))
        case .workersRun: MockWorkersAI.run(request, text(isStreamed: request.isStreamed))
        case .stats, .unknown: MockErrors.answer(.notFound, "There is nothing at this path.", to: request)
        }
    }
}
