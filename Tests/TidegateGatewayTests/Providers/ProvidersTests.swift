import NIOHTTP1
import Testing
import TidegateCore

@testable import TidegateGateway

@Suite("providers")
struct ProvidersTests {
    private let table: ProviderTable
    init() throws { table = try ProviderTable() }

    @Test(
        "paths lead to the provider's own",
        arguments: [
            ("openai", "chat/completions", "https://api.openai.com/v1/chat/completions"),
            ("openai", "v1/chat/completions?x=%2F", "https://api.openai.com/v1/chat/completions?x=%2F"),
            ("anthropic", "v1/messages", "https://api.anthropic.com/v1/messages"),
            (
                "google-ai-studio", "v1beta/models/g:streamGenerateContent?alt=sse",
                "https://generativelanguage.googleapis.com/v1beta/models/g:streamGenerateContent?alt=sse"
            ),
            (
                "google-vertex-ai", "v1/projects/p/locations/us-east5/publishers/google/models/g:predict",
                "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5/publishers/google/models/g:predict"
            ),
            (
                "google-vertex-ai", "v1/projects/p/locations/global/x",
                "https://aiplatform.googleapis.com/v1/projects/p/locations/global/x"
            ),
            (
                "azure-openai", "res/dep/chat/completions?api-version=1",
                "https://res.openai.azure.com/openai/deployments/dep/chat/completions?api-version=1"
            ),
            (
                "aws-bedrock", "bedrock-runtime/us-east-1/model/arn%3Aaws%2Fx/converse",
                "https://bedrock-runtime.us-east-1.amazonaws.com/model/arn%3Aaws%2Fx/converse"
            ),
            ("workers-ai", "@cf/meta/llama", "https://api.cloudflare.com/client/v4/accounts/acc/ai/run/@cf/meta/llama"),
            ("workers-ai", "v1/embeddings", "https://api.cloudflare.com/client/v4/accounts/acc/ai/v1/embeddings"),
            ("groq", "chat/completions", "https://api.groq.com/openai/v1/chat/completions"),
            ("mistral", "chat/completions", "https://api.mistral.ai/v1/chat/completions"),
            ("grok", "v1/chat/completions", "https://api.x.ai/v1/chat/completions"),
            ("openrouter", "chat/completions?a", "https://openrouter.ai/api/v1/chat/completions?a"),
            ("cerebras", "v1/chat/completions", "https://api.cerebras.ai/v1/chat/completions"),
            ("replicate", "v1/predictions", "https://api.replicate.com/v1/predictions"),
            ("huggingface", "org/model", "https://api-inference.huggingface.co/models/org/model"),
            ("baseten", "model/abc", "https://model-abc.api.baseten.co/production/predict"),
            ("fal", "fal-ai/fast-sdxl", "https://fal.run/fal-ai/fast-sdxl"),
            ("openai", "", "https://api.openai.com/v1/"),
        ])
    func paths(slug: String, rest: String, url: String) throws {
        let target = try #require(table.resolve(slug: slug[...], rest: rest, account: "acc", headers: [:]))
        #expect("\(target.isTLS ? "https" : "http")://\(target.hostHeader)\(target.path)" == url)
        #expect(target.provider == slug)
    }

    @Test(
        "paths that leave the base or confuse a server are refused",
        arguments: [
            "../x", "a/../../x", "a/%2e%2E/x", "a%2f..%2fx", "a/..%5cx", "a\\b", "a b", "a\r\nHost: x", "a#b",
            "a%0d%0a", "%",
            "a%zz", "é", "..", "./a", "a/..;x/b", "..?x", "a%00",
        ])
    func trickery(rest: String) {
        #expect(table.resolve(slug: "openai", rest: rest, account: "a", headers: [:]) == nil)
    }

    @Test(
        "parts of a path cannot become another host",
        arguments: [
            ("azure-openai", "evil.com%2f/dep/x"), ("azure-openai", "a.b/dep/x"), ("azure-openai", "only"),
            ("aws-bedrock", "bedrock-runtime/evil.com/x"), ("aws-bedrock", "s3/us-east-1/x"),
            ("google-vertex-ai", "v1/locations/evil.com@x/y"), ("baseten", "model/a.b"), ("nowhere", "x"),
            ("compat", "x"),
        ])
    func hosts(slug: String, rest: String) {
        #expect(table.resolve(slug: slug[...], rest: rest, account: "a", headers: [:]) == nil)
    }

    @Test(
        "models that only the path names are read from it",
        arguments: [
            ("workers-ai", "@cf/meta/llama-3.1-8b-instruct", "@cf/meta/llama-3.1-8b-instruct"),
            ("workers-ai", "run/@cf/meta/llama?x=/run/y", "@cf/meta/llama"),
            ("workers-ai", "v1/chat/completions", nil),
            ("google-ai-studio", "v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse", "gemini-2.5-flash"),
            ("google-ai-studio", "v1beta/models", nil),
            (
                "google-vertex-ai", "v1/projects/p/locations/us-east5/publishers/anthropic/models/c:rawPredict", "c"
            ),
            (
                "aws-bedrock", "bedrock-runtime/us-east-1/model/anthropic.claude-3%3A0/converse",
                "anthropic.claude-3:0"
            ),
            ("azure-openai", "res/my-gpt/chat/completions?api-version=1", "my-gpt"),
            ("huggingface", "org/model", "org/model"),
            ("openai", "chat/completions", nil),
        ] as [(String, String, String?)])
    func modelInPath(slug: String, rest: String, model: String?) throws {
        let target = try #require(table.resolve(slug: slug[...], rest: rest, account: "acc", headers: [:]))
        #expect(target.model == model)
    }

    @Test("fal's target header leads to fal only")
    func fal() {
        func host(_ url: String) -> String? {
            let headers = HTTPHeaders([("x-fal-target-url", url)])
            return table.resolve(slug: "fal", rest: "x", account: "a", headers: headers).map { $0.host + $0.path }
        }
        #expect(host("https://queue.fal.run/fal-ai/x?y=1") == "queue.fal.run/fal-ai/x?y=1")
        for url in [
            "https://evil.com/", "https://fal.run.evil.com/", "https://fal.run@evil.com/", "http://fal.run/",
            "https://evilfal.run/", "https://fal.run:8443/",
        ] { #expect(host(url) == nil) }
    }

    @Test("configuration moves a provider and adds custom ones")
    func overrides() throws {
        let table = try ProviderTable(overrides: [
            "openai": "http://127.0.0.1:9000/mock/v1/", "azure-openai": "http://[::1]:9",
            "custom-own": "https://own.example",
            "workers-ai": "http://localhost:1/x/{account}",
        ])
        func url(_ slug: String, _ rest: String) -> String? {
            table.resolve(slug: slug[...], rest: rest, account: "acc", headers: [:])
                .map { "\($0.isTLS) \($0.hostHeader) \($0.path)" }
        }
        #expect(url("openai", "v1/models") == "false 127.0.0.1:9000 /mock/v1/models")
        #expect(url("azure-openai", "r/d/x") == "false [::1]:9 /openai/deployments/d/x")
        #expect(url("custom-own", "v1/x") == "true own.example /v1/x")
        #expect(url("workers-ai", "@cf/m") == "false localhost:1 /x/acc/run/@cf/m")
        for (slug, base) in [
            ("nobody", "http://x"), ("openai", "ftp://x"), ("openai", "http://u@x"), ("openai", "x"),
            ("openai", "http://x:0"), ("openai", "http://x/../y"), ("openai", "http://x?y"),
        ] {
            #expect(throws: TidegateError.self) { try ProviderTable(overrides: [slug: base]) }
        }
    }

    @Test(
        "the format follows the path",
        arguments: [
            ("openai", "chat/completions", .openAIChat), ("openai", "responses", .openAIResponses),
            ("openai", "v1/embeddings", .openAIEmbeddings), ("anthropic", "v1/messages", .anthropic),
            ("grok", "v1/messages", .anthropic), ("google-ai-studio", "v1beta/models/x:generateContent", .gemini),
            ("google-vertex-ai", "v1/projects/p/locations/l/publishers/anthropic/models/x:rawPredict", .anthropic),
            ("workers-ai", "@cf/x", .workersAI), ("workers-ai", "v1/chat/completions", .openAIChat),
            ("cohere", "v2/chat", .cohere), ("aws-bedrock", "bedrock-runtime/us-east-1/model/m/converse", .bedrock),
            ("elevenlabs", "v1/x", .none), ("openai", "models?x=/embeddings", .openAIChat),
        ] as [(String, String, UsageFormat)])
    func formats(slug: String, rest: String, format: UsageFormat) {
        let target = table.resolve(slug: slug[...], rest: rest, account: "a", headers: [:])
        #expect(target?.usageFormat == format)
    }

    @Test("compat routes by the model's prefix and says why it cannot")
    func compat() throws {
        let route = try table.resolveCompat(model: "workers-ai/@cf/meta/x", account: "acc", headers: [:])
        #expect(route.model == "@cf/meta/x")
        #expect(route.target.path == "/client/v4/accounts/acc/ai/v1/chat/completions")
        #expect(
            try table.resolveCompat(model: "perplexity/sonar", account: "a", headers: [:]).target.provider
                == "perplexity-ai")
        #expect(
            try table.resolveCompat(model: "groq/a/b", account: "a", headers: [:]).target.path
                == "/openai/v1/chat/completions")
        for model in [nil, "", "gpt-4o", "/x", "openai/"] {
            #expect(throws: GatewayFailure.badChatFormat) {
                try table.resolveCompat(model: model, account: "a", headers: [:])
            }
        }
        #expect(throws: GatewayFailure.invalidProvider) {
            try table.resolveCompat(model: "no/x", account: "a", headers: [:])
        }
        let refused = #expect(throws: GatewayFailure.self) {
            try table.resolveCompat(model: "anthropic/claude", account: "a", headers: [:])
        }
        #expect(refused?.code == 2019)
        #expect(refused?.message.contains("/anthropic/v1/messages") == true)
    }

    @Test("what goes upstream holds nothing of ours and of the hop")
    func forwarding() throws {
        let target = try #require(table.resolve(slug: "openai", rest: "x", account: "a", headers: [:]))
        let sent = HTTPHeaders([
            ("Host", "gw"), ("Connection", "keep-alive, X-Drop"), ("x-drop", "1"), ("CF-AIG-Metadata", "{}"),
            ("cf-aig-authorization", "t"), ("Transfer-Encoding", "chunked"), ("TE", "trailers"),
            ("Authorization", "Bearer k"),
            ("X-Keep", "1"), ("X-Keep", "2"), ("Accept-Encoding", "gzip"), ("Content-Length", "3"), ("api-key", "gw"),
        ])
        let forwarded = ForwardedHeaders.upstream(sent, to: target, dropping: ["api-key"])
        #expect(
            forwarded.map { "\($0.name.lowercased())=\($0.value)" }.sorted() == [
                "accept-encoding=identity", "authorization=Bearer k", "host=api.openai.com", "x-keep=1", "x-keep=2",
            ])
        let back = ForwardedHeaders.downstream(
            HTTPHeaders([("Connection", "close"), ("cf-aig-step", "9"), ("Content-Length", "3"), ("x", "y")]))
        #expect(back.map { $0.name } == ["Content-Length", "x"])
        #expect(
            ["", "Bearer", " bearer "].allSatisfy { !ForwardedHeaders.isKey($0) } && ForwardedHeaders.isKey("Bearer x"))
    }

    @Test("keys in a query stay out of rows")
    func logged() throws {
        let target = try #require(
            table.resolve(slug: "google-ai-studio", rest: "v1/m?key=SECRET&alt=sse", account: "a", headers: [:]))
        #expect(target.loggedPath == "/v1/m?key=***&alt=sse")
    }
}
