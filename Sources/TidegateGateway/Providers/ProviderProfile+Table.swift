extension ProviderProfile {
    /// Providers of the reference (providers.md §1). `adobe-firefly` has no known host and `google` only WebSockets: they are
    /// not here, so both are invalid providers unless configuration gives them a base.
    static let table: [ProviderProfile] = [
        openAILike("openai", "api.openai.com", path: "/v1", rule: .dropsV1, chat: "chat/completions"),
        ProviderProfile(
            slug: "anthropic", base: BaseURL(host: "api.anthropic.com"), auth: ["x-api-key", "authorization"],
            format: .anthropic, nativeHint: "v1/messages"),
        ProviderProfile(
            slug: "google-ai-studio", base: BaseURL(host: "generativelanguage.googleapis.com"),
            auth: ["x-goog-api-key", "authorization"], format: .gemini, markers: [("/openai/", .openAIChat)],
            model: ModelInPath(after: "/models/", until: .colon), chatPath: "v1beta/openai/chat/completions",
            nativeHint: "v1beta/models/{model}:generateContent"),
        ProviderProfile(
            slug: "google-vertex-ai", base: BaseURL(host: "aiplatform.googleapis.com"), paths: .vertex, format: .gemini,
            markers: [("/publishers/anthropic/", .anthropic), ("/endpoints/openapi/", .openAIChat)],
            model: ModelInPath(after: "/models/", until: .colon),
            nativeHint: "v1/projects/{project}/locations/{region}/publishers/google/models/{model}:generateContent"),
        ProviderProfile(
            slug: "azure-openai", base: BaseURL(host: "openai.azure.com"), paths: .azure,
            auth: ["api-key", "authorization"], format: .openAIChat, markers: openAIFamily,
            model: ModelInPath(after: "/deployments/", until: .slash),
            nativeHint: "{resource}/{deployment}/chat/completions?api-version={version}"),
        ProviderProfile(
            slug: "aws-bedrock", base: BaseURL(host: "amazonaws.com"), paths: .bedrock,
            auth: ["authorization", "x-api-key"], format: .none,
            markers: [
                ("/converse", .bedrock), ("/anthropic/", .anthropic), ("/openai/", .openAIChat),
                ("anthropic.", .anthropic),
            ], model: ModelInPath(after: "/model/", until: .slash),
            nativeHint: "bedrock-runtime/{region}/model/{model}/converse"),
        ProviderProfile(
            slug: "workers-ai", base: BaseURL(host: "api.cloudflare.com", path: "/client/v4/accounts/{account}/ai"),
            paths: .workersAI, format: .workersAI, markers: openAIFamily,
            model: ModelInPath(after: "/run/", until: .endOfPath), chatPath: "v1/chat/completions"),
        openAILike("groq", "api.groq.com", path: "/openai/v1", rule: .dropsV1, chat: "chat/completions"),
        openAILike("grok", "api.x.ai", rule: .addsV1, chat: "v1/chat/completions"),
        openAILike("mistral", "api.mistral.ai", rule: .addsV1, chat: "v1/chat/completions"),
        ProviderProfile(
            slug: "cohere", base: BaseURL(host: "api.cohere.ai"), paths: .addsV1, format: .cohere,
            markers: [("/compatibility/", .openAIChat)], chatPath: "compatibility/v1/chat/completions"),
        openAILike("perplexity-ai", "api.perplexity.ai", rule: .plain, chat: "chat/completions"),
        openAILike("deepseek", "api.deepseek.com", rule: .plain, chat: "chat/completions"),
        openAILike("cerebras", "api.cerebras.ai", path: "/v1", rule: .dropsV1, chat: "chat/completions"),
        openAILike("openrouter", "openrouter.ai", path: "/api", rule: .addsV1, chat: "v1/chat/completions"),
        openAILike("fireworks", "api.fireworks.ai", path: "/inference/v1", rule: .dropsV1, chat: "chat/completions"),
        openAILike("baseten", "inference.baseten.co", rule: .baseten, chat: "v1/chat/completions"),
        ProviderProfile(
            slug: "replicate", base: BaseURL(host: "api.replicate.com", path: "/v1"), paths: .dropsV1,
            format: .replicate, nativeHint: "predictions"),
        ProviderProfile(
            slug: "huggingface", base: BaseURL(host: "api-inference.huggingface.co", path: "/models"),
            model: ModelInPath(after: "/models/", until: .endOfPath), nativeHint: "{organization}/{model}"),
        ProviderProfile(
            slug: "cartesia", base: BaseURL(host: "api.cartesia.ai"), auth: ["x-api-key"], nativeHint: "tts/bytes"),
        ProviderProfile(
            slug: "elevenlabs", base: BaseURL(host: "api.elevenlabs.io"), auth: ["xi-api-key"],
            nativeHint: "v1/text-to-speech/{voice}"),
        ProviderProfile(slug: "deepgram", base: BaseURL(host: "api.deepgram.com"), nativeHint: "v1/listen"),
        ProviderProfile(slug: "fal", base: BaseURL(host: "fal.run"), paths: .fal, nativeHint: "{app}"),
        ProviderProfile(
            slug: "ideogram", base: BaseURL(host: "api.ideogram.ai"), auth: ["api-key"],
            nativeHint: "v1/ideogram-v3/generate"),
        ProviderProfile(
            slug: "parallel", base: BaseURL(host: "api.parallel.ai"), auth: ["x-api-key", "authorization"],
            markers: [("/chat/completions", .openAIChat)], chatPath: "v1beta/chat/completions"),
    ]

    private static func openAILike(
        _ slug: String, _ host: String, path: String = "", rule: PathRule, chat: String
    ) -> ProviderProfile {
        ProviderProfile(
            slug: slug, base: BaseURL(host: host, path: path), paths: rule, format: .openAIChat, markers: openAIFamily,
            chatPath: chat)
    }
}
