/// The parts of `/v1/{account}/{gateway}/{provider}/{rest}?{query}`, cut from the bytes as they came.
struct RequestTarget {
    let account: String
    /// Empty when the path ends before it.
    let gateway: String
    /// The slug; empty on the universal endpoint.
    let provider: Substring
    /// Everything behind the slug's slash, query included, still encoded.
    let rest: Substring

    /// - Returns: `nil` for anything that does not begin with `/v1/`.
    init?(_ uri: String) {
        var text = uri[...]
        if text.utf8.first != UInt8(ascii: "/") {
            // absolute-form: the authority was checked by nobody and means nothing here.
            guard let scheme = text.utf8.firstIndex(of: UInt8(ascii: ":")), uri.hasFieldPrefix("http") else {
                return nil
            }
            text = text[scheme...].dropFirst(3)
            guard let path = text.utf8.firstIndex(of: UInt8(ascii: "/")) else { return nil }
            text = text[path...]
        }
        guard text.utf8.starts(with: "/v1/".utf8) else { return nil }
        text = Substring(text.utf8.dropFirst(4))
        let (account, behindAccount) = Self.segment(text)
        let (gateway, behindGateway) = Self.segment(behindAccount)
        let (provider, rest) = Self.segment(behindGateway)
        self.account = String(account)
        self.gateway = String(gateway)
        self.provider = provider
        self.rest = rest
    }

    /// The value of a query item, as it came.
    func queryItem(_ name: String) -> String? {
        query.first { $0.hasPrefix(name + "=") }.map { String($0.dropFirst(name.count + 1)) }
    }

    /// `rest` without a query item.
    func rest(withoutQueryItem name: String) -> String {
        let kept = query.filter { !$0.hasPrefix(name + "=") }
        let path = rest.prefix { $0 != "?" }
        return kept.isEmpty ? String(path) : path + "?" + kept.joined(separator: "&")
    }

    private var query: [Substring] {
        rest.drop { $0 != "?" }.dropFirst().split(separator: "&", omittingEmptySubsequences: false)
    }

    /// Splits at the first slash, which goes to neither side. A query ends the path: it stays with the rest.
    private static func segment(_ text: Substring) -> (Substring, Substring) {
        let bytes = text.utf8
        guard let end = bytes.firstIndex(where: { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") }) else {
            return (text, "")
        }
        let behind = bytes[end] == UInt8(ascii: "/") ? bytes.index(after: end) : end
        return (text[..<end], text[behind...])
    }
}
