/// Where a call goes: everything a connection and a request head need, and what to expect of the answer.
package struct ProviderTarget: Equatable, Sendable {
    /// The slug that logs and prices know the provider by.
    package var provider: String
    package var isTLS: Bool
    package var host: String
    package var port: Int
    /// Path and query as they go on the wire; begins with a slash.
    package var path: String
    package var usageFormat: UsageFormat
    /// Lower-case names of headers that may carry the provider's key, the usual one first (reference: providers.md §2).
    package var authHeaderNames: [String]
    package var speaksOpenAIChat: Bool
    /// How `path` names the model; `nil` when the body does.
    package var modelPlace: ModelInPath?

    package init(
        provider: String, isTLS: Bool, host: String, port: Int, path: String, usageFormat: UsageFormat,
        authHeaderNames: [String], speaksOpenAIChat: Bool, modelPlace: ModelInPath? = nil
    ) {
        self.provider = provider
        self.isTLS = isTLS
        self.host = host
        self.port = port
        self.path = path
        self.usageFormat = usageFormat
        self.authHeaderNames = authHeaderNames
        self.speaksOpenAIChat = speaksOpenAIChat
        self.modelPlace = modelPlace
    }

    /// Value of the `Host` header: without the port when it is the scheme's own.
    package var hostHeader: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port == (isTLS ? 443 : 80) ? name : "\(name):\(port)"
    }

    /// The model that the path names, if it names one.
    package var model: String? { modelPlace?.model(in: path) }

    /// The path for the log row: values of query items that carry keys are replaced.
    package var loggedPath: String {
        guard let mark = path.firstIndex(of: "?") else { return path }
        let items = path[path.index(after: mark)...].split(separator: "&", omittingEmptySubsequences: false)
        let shown = items.map { item -> Substring in
            guard let equals = item.firstIndex(of: "=") else { return item }
            return Self.secretItems.contains(item[..<equals].lowercased()) ? item[...equals] + "***" : item
        }
        return path[...mark] + shown.joined(separator: "&")
    }

    private static let secretItems: Set<String> = [
        "key", "api_key", "apikey", "api-key", "access_token", "token", "x-amz-signature", "x-amz-security-token",
        "x-amz-credential", "sig", "signature",
    ]
}
