package import NIOHTTP1

/// Which headers go on to the provider and which come back from it.
package enum ForwardedHeaders {
    /// Headers of one hop (RFC 9110 §7.6.1), which end at us in both directions.
    private static let hopByHop: Set<String> = [
        "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
        "transfer-encoding", "upgrade",
    ]
    /// Ours to set or to act on.
    private static let ownRequest: Set<String> = [
        "host", "content-length", "expect", "cf-cache-ttl", "cf-skip-cache", "x-fal-target-url",
    ]

    /// Headers for the provider: the caller's without hop-by-hop ones, `cf-aig-*` and `x-tidegate-*`, with the target's
    /// `Host`. The sender adds `Content-Length` or `Transfer-Encoding`, whichever fits the body it sends.
    ///
    /// Where usage is to be read, `Accept-Encoding` becomes `identity`: an answer compressed for the client tells us nothing.
    /// - Parameter dropping: lower-case names that stay here besides, such as an auth header that held the gateway's token.
    package static func upstream(
        _ headers: HTTPHeaders, to target: ProviderTarget, dropping: Set<String> = []
    ) -> HTTPHeaders {
        let named = namedByConnection(headers)
        var forwarded = HTTPHeaders()
        forwarded.reserveCapacity(headers.count + 2)
        forwarded.add(name: "Host", value: target.hostHeader)
        for (name, value) in headers {
            let key = name.lowercased()
            if hopByHop.contains(key) || ownRequest.contains(key) || named.contains(key) || dropping.contains(key) {
                continue
            }
            if key.hasPrefix("cf-aig-") || key.hasPrefix("x-tidegate-") { continue }
            if key == "accept-encoding", target.usageFormat != .none { continue }
            forwarded.add(name: name, value: value)
        }
        if target.usageFormat != .none { forwarded.add(name: "Accept-Encoding", value: "identity") }
        return forwarded
    }

    /// A provider's headers for the client: without hop-by-hop ones and without any that claim to be the gateway's.
    /// `Content-Length` stays: it frames the same body.
    package static func downstream(_ headers: HTTPHeaders) -> HTTPHeaders {
        let named = namedByConnection(headers)
        var forwarded = HTTPHeaders()
        forwarded.reserveCapacity(headers.count + 8)
        for (name, value) in headers {
            let key = name.lowercased()
            if hopByHop.contains(key) || named.contains(key) { continue }
            if key.hasPrefix("cf-aig-") || key.hasPrefix("x-tidegate-") { continue }
            forwarded.add(name: name, value: value)
        }
        return forwarded
    }

    /// Whether the header's value is a provider key (reference: providers.md §2): missing, empty, or a lone scheme is none.
    package static func isKey(_ value: String?) -> Bool {
        guard let value = value.map(OptionValue.trimmed) else { return false }
        return !value.isEmpty && value.lowercased() != "bearer"
    }

    private static func namedByConnection(_ headers: HTTPHeaders) -> Set<String> {
        guard headers.contains(name: "connection") else { return [] }
        return Set(headers[canonicalForm: "connection"].map { $0.lowercased() })
    }
}
