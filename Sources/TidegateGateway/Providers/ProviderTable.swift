package import NIOHTTP1
package import TidegateCore

/// All providers that this node reaches, with the bases that configuration changed. Made once at start; reading is free of
/// locks.
package struct ProviderTable: Sendable {
    private let profiles: [String: ProviderProfile]
    private let overridden: Set<String>

    /// - Parameter overrides: slug → base URL that stands for the table's whole base, `https://{resource}…` forms included
    ///   (`{account}` in it becomes the account). A new slug that begins with `custom-` is an OpenAI-compatible server.
    /// - Throws: `.invalidConfiguration` for an unknown slug or a malformed URL.
    package init(overrides: [String: String] = [:]) throws(TidegateError) {
        var profiles: [String: ProviderProfile] = [:]
        for profile in ProviderProfile.table { profiles[profile.slug] = profile }
        for (slug, text) in overrides {
            let base = try BaseURL(text)
            if profiles[slug] == nil {
                guard slug.hasPrefix("custom-"), PathRules.isHostLabel(slug) else {
                    throw TidegateError(
                        .invalidConfiguration,
                        "'\(slug)' is no provider. Name one of the reference's, or custom-… for your own.")
                }
                profiles[slug] = ProviderProfile(
                    slug: slug, base: base, format: .openAIChat, markers: ProviderProfile.openAIFamily,
                    chatPath: base.path.hasSuffix("/v1") ? "chat/completions" : "v1/chat/completions")
            }
            profiles[slug]?.base = base
        }
        self.profiles = profiles
        overridden = Set(overrides.keys)
    }

    package var slugs: [String] { profiles.keys.sorted() }

    /// Providers that take OpenAI's format, so that `compat` reaches them.
    package var compatSlugs: [String] { profiles.values.filter { $0.chatPath != nil }.map(\.slug).sorted() }

    /// Where `/v1/{account}/{gateway}/{slug}/{rest}` goes.
    /// - Parameters:
    ///   - rest: what stood behind the slug's slash in the request line, escapes and query untouched.
    ///   - headers: the request's: a few providers take the target from one.
    /// - Returns: `nil` for an unknown slug, and for a path that is not safe to join to a base. Answer with
    ///   `.invalidProvider`, or `.noRoute` when `knows(slug)`.
    package func resolve(
        slug: Substring, rest: String, account: String, headers: HTTPHeaders
    ) -> ProviderTarget? {
        guard let profile = profiles[String(slug)], PathRules.isSafe(rest) else { return nil }
        let rest = rest.hasPrefix("/") ? rest.dropFirst() : rest[...]
        guard
            let place = ProviderPaths(profile: profile, isOverridden: overridden.contains(profile.slug))
                .place(rest, account: account, headers: headers)
        else { return nil }
        return target(profile, place)
    }

    package func knows(_ slug: Substring) -> Bool { profiles[String(slug)] != nil }

    private func target(_ profile: ProviderProfile, _ place: ProviderPaths.Place) -> ProviderTarget {
        let path = place.base.path + "/" + place.rest
        return ProviderTarget(
            provider: profile.slug, isTLS: place.base.isTLS, host: place.base.host, port: place.base.port, path: path,
            usageFormat: profile.usageFormat(ofPath: path.prefix { $0 != "?" }), authHeaderNames: profile.auth,
            speaksOpenAIChat: profile.chatPath != nil, modelPlace: profile.model)
    }
}

extension ProviderTable {
    /// Where a call to `compat/chat/completions` goes, and the model's name there.
    package struct CompatRoute: Equatable, Sendable {
        package var target: ProviderTarget
        /// The request's model without the provider: put it into the body with `RequestFields.body(_:renamingModelTo:)`.
        package var model: String
    }

    /// - Parameter model: `{provider}/{model}`; the first slash divides.
    /// - Throws: 2019 without a provider in `model`, 2008 for an unknown one, and a 2019 that names the provider's own path
    ///   for one that does not speak OpenAI's format.
    package func resolveCompat(
        model: String?, account: String, headers: HTTPHeaders
    ) throws(GatewayFailure) -> CompatRoute {
        guard let model, let slash = model.firstIndex(of: "/"), slash != model.startIndex,
            model.index(after: slash) != model.endIndex
        else { throw .badChatFormat }
        let name = model[..<slash]
        let slug = Self.compatNames[String(name)].map { $0[...] } ?? name
        guard let profile = profiles[String(slug)] else { throw .invalidProvider }
        guard let chatPath = profile.chatPath else {
            throw .badChatFormat(
                "\(slug) does not take OpenAI's format here. Call its own path: /\(slug)/\(profile.nativeHint)")
        }
        guard var target = resolve(slug: slug, rest: chatPath, account: account, headers: HTTPHeaders()) else {
            throw .invalidProvider
        }
        target.usageFormat = .openAIChat
        target.authHeaderNames = ["authorization"]
        return CompatRoute(target: target, model: String(model[model.index(after: slash)...]))
    }

    /// Names that only `model` uses.
    private static let compatNames = ["perplexity": "perplexity-ai"]
}
