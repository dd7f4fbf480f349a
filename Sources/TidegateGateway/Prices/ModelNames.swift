/// How names of models in calls and answers lead to names in a price list.
enum ModelNames {
    /// Lists to look into for a provider, in order. A list under the slug itself always comes first.
    static func lists(for slug: String) -> [String] {
        [slug] + (listsOfSlug[slug] ?? [])
    }

    private static let listsOfSlug: [String: [String]] = [
        "google-ai-studio": ["gemini"],
        "google-vertex-ai": ["gemini", "anthropic", "mistral"],
        "azure-openai": ["openai"],
        "aws-bedrock": ["bedrock"],
        "grok": ["xai"],
        "perplexity-ai": ["perplexity"],
    ]

    /// Lists that an author before the slash of a model's name stands for (`openai/gpt-4o` at a reseller of list prices).
    static let listOfAuthor: [String: String] = [
        "openai": "openai", "anthropic": "anthropic", "google": "gemini", "x-ai": "xai", "mistralai": "mistral",
        "deepseek": "deepseek", "cohere": "cohere", "perplexity": "perplexity", "moonshotai": "moonshot",
        "z-ai": "zai",
    ]

    /// Names to try, the given one first, then without what says which build of the same model it is: a leading `models/`
    /// or Bedrock region (`us.`), and one trailing part after the other that is `latest`, `preview`, `exp`, a date or build
    /// number of two, three, four or eight digits, or a Bedrock version (`v1:0`). The longest name that is listed wins, so
    /// `gpt-4o-mini-2024-07-18` is `gpt-4o-mini` and never `gpt-4o`, and `gpt-4o-audio` is not priced as `gpt-4o`.
    static func candidates(_ model: String) -> [String] {
        var name = model.lowercased()[...]
        var names = [String(name)]
        if name.hasPrefix("models/") { name = name.dropFirst(7) }
        if let dot = name.firstIndex(of: "."), regions.contains(String(name[..<dot])) {
            name = name[name.index(after: dot)...]
        }
        if String(name) != names[0] { names.append(String(name)) }
        while let mark = name.lastIndex(where: { $0 == "-" || $0 == "@" }) {
            guard isBuild(name[name.index(after: mark)...]), mark != name.startIndex else { break }
            name = name[..<mark]
            names.append(String(name))
        }
        return names
    }

    private static let regions: Set<String> = ["us", "eu", "apac", "global", "us-gov", "jp", "au", "ca"]

    private static func isBuild(_ part: Substring) -> Bool {
        if part == "latest" || part == "preview" || part == "exp" { return true }
        let isNumber = part.utf8.allSatisfy { (0x30...0x39).contains($0) }
        if isNumber { return [2, 3, 4, 8].contains(part.utf8.count) }
        guard part.hasPrefix("v"), part.count > 1 else { return false }
        return part.dropFirst().utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == UInt8(ascii: ":") }
    }
}
