package import TidegateCore

/// Scheme, authority and path of a provider's base.
package struct BaseURL: Equatable, Sendable {
    package var isTLS: Bool
    package var host: String
    package var port: Int
    /// Begins with a slash and does not end with one; empty for a base without path.
    package var path: String

    package init(isTLS: Bool = true, host: String, port: Int? = nil, path: String = "") {
        self.isTLS = isTLS
        self.host = host
        self.port = port ?? (isTLS ? 443 : 80)
        self.path = path
    }

    /// Reads `http[s]://host[:port][/path]`. A user name, a query, a fragment or control characters are refused.
    /// - Throws: `.invalidConfiguration` that quotes the text.
    package init(_ text: String) throws(TidegateError) {
        guard let base = BaseURL(parsing: text) else {
            throw TidegateError(
                .invalidConfiguration, "'\(text)' is not a base URL: write http[s]://host[:port][/path].")
        }
        self = base
    }

    init?(parsing text: String) {
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !"?#@\\\"<>".utf8.contains($0) }) else { return nil }
        let rest: Substring
        if text.lowercased().hasPrefix("https://") {
            (isTLS, rest) = (true, text.dropFirst(8))
        } else if text.lowercased().hasPrefix("http://") {
            (isTLS, rest) = (false, text.dropFirst(7))
        } else {
            return nil
        }
        let authority = rest.prefix { $0 != "/" }
        var name = authority
        var digits: Substring?
        if authority.hasPrefix("[") {
            guard let close = authority.firstIndex(of: "]") else { return nil }
            name = authority[authority.index(after: authority.startIndex)..<close]
            let behind = authority[authority.index(after: close)...]
            guard behind.isEmpty || behind.hasPrefix(":") else { return nil }
            digits = behind.isEmpty ? nil : behind.dropFirst()
        } else if let colon = authority.firstIndex(of: ":") {
            name = authority[..<colon]
            digits = authority[authority.index(after: colon)...]
            guard digits?.contains(":") == false else { return nil }
        }
        guard !name.isEmpty else { return nil }
        if let digits {
            guard let port = UInt16(digits), port > 0 else { return nil }
            self.port = Int(port)
        } else {
            port = isTLS ? 443 : 80
        }
        host = name.lowercased()
        var path = rest.dropFirst(authority.count)
        while path.hasSuffix("/") { path.removeLast() }
        self.path = String(path)
        if !PathRules.isSafe(self.path) { return nil }
    }
}
