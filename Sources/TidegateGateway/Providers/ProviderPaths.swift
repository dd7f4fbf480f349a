internal import NIOHTTP1

/// Applies a provider's path rule (reference: providers.md §2).
struct ProviderPaths {
    struct Place {
        var base: BaseURL
        /// Path behind the base without leading slash, and the query.
        var rest: String
    }

    let profile: ProviderProfile
    let isOverridden: Bool

    func place(_ rest: Substring, account: String, headers: HTTPHeaders) -> Place? {
        switch profile.paths {
        case .plain: plain(rest)
        case .dropsV1: plain(profile.base.path.hasSuffix("/v1") ? droppingV1(rest) : rest)
        case .addsV1: Place(base: profile.base, rest: addingV1(rest))
        case .azure: azure(rest)
        case .bedrock: bedrock(rest)
        case .vertex: vertex(rest)
        case .workersAI: workersAI(rest, account: account)
        case .baseten: baseten(rest)
        case .fal: fal(rest, headers)
        }
    }

    private func plain(_ rest: Substring) -> Place { Place(base: profile.base, rest: String(rest)) }

    private func droppingV1(_ rest: Substring) -> Substring { rest.hasPrefix("v1/") ? rest.dropFirst(3) : rest }

    private func addingV1(_ rest: Substring) -> String {
        if profile.base.path.hasSuffix("/v1") { return String(droppingV1(rest)) }
        let path = rest.prefix { $0 != "?" }
        let isOperation = Self.operations.contains { path == $0 || path.hasPrefix($0 + "/") }
        return isOperation ? "v1/" + rest : String(rest)
    }

    private static let operations = ["chat/completions", "completions", "embeddings", "models", "chat", "responses"]

    /// Splits `count` path segments off; `nil` when one is missing or empty.
    private func segments(_ count: Int, of rest: Substring) -> (parts: [Substring], rest: Substring)? {
        var parts: [Substring] = []
        var rest = rest
        for _ in 0..<count {
            let part = rest.prefix { $0 != "/" && $0 != "?" }
            guard !part.isEmpty else { return nil }
            parts.append(part)
            rest = rest[part.endIndex...]
            if rest.first == "/" { rest = rest.dropFirst() }
        }
        return (parts, rest)
    }

    private func azure(_ rest: Substring) -> Place? {
        guard let (parts, tail) = segments(2, of: rest), PathRules.isHostLabel(parts[0]) else { return nil }
        var base = profile.base
        if !isOverridden { base.host = "\(parts[0].lowercased()).\(base.host)" }
        return Place(base: base, rest: "openai/deployments/\(parts[1])/\(tail)")
    }

    private func bedrock(_ rest: Substring) -> Place? {
        guard let (parts, tail) = segments(2, of: rest), PathRules.isHostLabel(parts[0]),
            PathRules.isHostLabel(parts[1]), parts[0].hasPrefix("bedrock")
        else { return nil }
        var base = profile.base
        if !isOverridden {
            let domain = parts[0] == "bedrock-mantle" ? "api.aws" : base.host
            base.host = "\(parts[0].lowercased()).\(parts[1].lowercased()).\(domain)"
        }
        return Place(base: base, rest: String(tail))
    }

    private func vertex(_ rest: Substring) -> Place? {
        var base = profile.base
        let parts = rest.prefix { $0 != "?" }.split(separator: "/")
        if !isOverridden, let mark = parts.firstIndex(of: "locations"), mark + 1 < parts.count {
            let region = parts[mark + 1]
            guard PathRules.isHostLabel(region) else { return nil }
            if region != "global" { base.host = "\(region.lowercased())-\(base.host)" }
        }
        return Place(base: base, rest: String(rest))
    }

    private func workersAI(_ rest: Substring, account: String) -> Place? {
        var base = profile.base
        base.path = base.path.split(separator: "/").map { $0 == "{account}" ? "/\(account)" : "/\($0)" }.joined()
        return Place(base: base, rest: rest.hasPrefix("v1/") || rest.hasPrefix("run/") ? String(rest) : "run/\(rest)")
    }

    private func baseten(_ rest: Substring) -> Place? {
        guard rest.hasPrefix("model/"), !isOverridden else { return Place(base: profile.base, rest: addingV1(rest)) }
        guard let (parts, tail) = segments(2, of: rest), PathRules.isHostLabel(parts[1]) else { return nil }
        let base = BaseURL(host: "model-\(parts[1].lowercased()).api.baseten.co", path: "/production")
        return Place(base: base, rest: tail.isEmpty || tail.hasPrefix("?") ? "predict\(tail)" : "predict/\(tail)")
    }

    /// The vendor's SDK names the real target in a header; only the vendor's hosts are taken.
    private func fal(_ rest: Substring, _ headers: HTTPHeaders) -> Place? {
        guard let text = headers.first(name: "x-fal-target-url") else { return plain(rest) }
        let mark = text.firstIndex(of: "?") ?? text.endIndex
        guard let url = BaseURL(parsing: String(text[..<mark])), PathRules.isSafe(text[mark...]), url.isTLS,
            url.port == 443, ["fal.run", "fal.ai"].contains(where: { url.host == $0 || url.host.hasSuffix(".\($0)") })
        else { return nil }
        let tail = url.path.dropFirst() + text[mark...]
        var base = url
        base.path = ""
        return Place(base: isOverridden ? profile.base : base, rest: String(tail))
    }
}
