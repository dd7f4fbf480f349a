import Testing
import TidegateCore

@testable import TidegateGateway

@Suite("prices")
struct PricesTests {
    private let table: PriceTable
    init() throws { table = try PriceTable.bundled() }

    @Test(
        "names of builds lead to the model's price, and other models do not",
        arguments: [
            ("openai", "gpt-4o-mini-2024-07-18", 0.15), ("openai", "gpt-4o-2024-08-06", 2.5),
            ("openai", "gpt-4o-audio", nil),
            ("openai", "gpt-5-mini", 0.25), ("openai", "gpt-3.5-turbo-0125", 0.5), ("openai", "gpt-3.5-turbo-16k", nil),
            ("anthropic", "claude-sonnet-4-5-20250929", 3), ("anthropic", "claude-sonnet-4-5-latest", 3),
            ("anthropic", "claude-opus-4", nil), ("google-ai-studio", "models/gemini-2.5-flash-preview-05-20", 0.3),
            ("google-vertex-ai", "google/gemini-2.5-pro", 1.25), ("google-vertex-ai", "claude-sonnet-4-5@20250929", 3),
            ("aws-bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", 3),
            ("aws-bedrock", "amazon.nova-pro-v1:0", 0.8),
            ("azure-openai", "gpt-4o-mini", 0.15), ("openrouter", "openai/gpt-4o", 2.5), ("grok", "grok-4.5", 2),
            ("groq", "openai/gpt-oss-120b", 0.15), ("perplexity-ai", "sonar", 1), ("mistral", "mistral-large", 0.5),
            ("mistral", "mistral-large-2411", 0.5), ("workers-ai", "@cf/openai/gpt-oss-120b", 0.35),
            ("openai", "", nil), ("nobody", "gpt-4o", nil), ("openai", "-2024", nil), ("anthropic", "gpt-4o", nil),
        ] as [(String, String, Double?)])
    func lookup(provider: String, model: String, perMillion: Double?) {
        #expect(table.price(provider: provider, model: model).map { Double($0.input) / 1e6 } == perMillion)
    }

    @Test("each bucket has its price, to the picodollar")
    func cost() {
        let usage = TokenUsage(
            inputUncached: 70, inputCacheRead: 30, inputCacheWrite: 10, outputText: 5, outputReasoning: 5)
        let picos: Int64 = 70 * 2_500_000 + 30 * 1_250_000 + 10 * 2_500_000 + 10 * 10_000_000
        #expect(table.cost(provider: "openai", model: "gpt-4o", usage: usage)?.rawValue == picos)
        #expect(table.cost(provider: "openai", model: "gpt-4o", usage: TokenUsage(inputUncached: .max)) == nil)
        #expect(table.cost(provider: "openai", model: "unknown", usage: usage) == nil)
    }

    @Test("the caller's own prices follow the reference")
    func custom() throws {
        let usage = TokenUsage(inputUncached: 10, inputCacheRead: 4, inputCacheWrite: 2, outputText: 3)
        func picos(_ json: String, _ usage: TokenUsage?) -> Int64? {
            CustomCost(json: json)?.cost(of: usage)?.rawValue
        }
        #expect(picos(#"{"per_token_in":0.000001,"per_token_out":0.000002}"#, usage) == 22_000_000)
        #expect(picos(#"{"per_token_in":1e-6,"per_token_out":0,"per_cache_read_token":1e-7}"#, usage) == 12_400_000)
        #expect(picos(#"{"per_token_in":1e-6}"#, nil) == nil)
        #expect(picos(#"{"total_cost":0.5}"#, nil) == 500_000_000_000)
        for json in ["{}", "[]", "x", #"{"per_token_in":"1"}"#, #"{"per_token_in":-1}"#, #"{"per_token_in":1e999}"#] {
            #expect(CustomCost(json: json) == nil)
        }
    }

    @Test("configuration replaces and adds prices, and the version tells")
    func overriding() throws {
        let price = try #require(ModelPrice(inputPerMillion: 7, outputPerMillion: 8))
        let changed = table.overriding(with: [
            PriceTable.Entry(provider: "openai", model: "gpt-4o", price: price),
            PriceTable.Entry(provider: "custom-own", model: "llama", price: price),
        ])
        #expect(changed.price(provider: "openai", model: "gpt-4o-2024-08-06") == price)
        #expect(changed.price(provider: "custom-own", model: "llama") == price)
        #expect(
            changed.price(provider: "openai", model: "gpt-4o-mini")
                == table.price(provider: "openai", model: "gpt-4o-mini"))
        #expect(changed.version != table.version)
        #expect(try PriceTable.bundled().version == table.version)
        #expect(table.version.count == 12)
        #expect(throws: TidegateError.self) { try PriceTable(csv: "head\nopenai,x,cheap,1,,") }
    }
}
