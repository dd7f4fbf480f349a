/// The operation that a path names, whatever stands before it: `/v1/chat/completions`, `/chat/completions` and
/// `/any/prefix/chat/completions` are the same.
package enum MockRoute: Equatable, Sendable {
    case chat, responses, embeddings, models
    case model(String)
    case messages
    case generate(model: String)
    case streamGenerate(model: String)
    case workersRun(model: String)
    case stats
    case unknown

    package init(method: String, path: String) {
        let path = path.utf8.contains(0x25) ? path.replacing("%40", with: "@").replacing("%3A", with: ":") : path
        self = method == "GET" ? Self.reading(path) : method == "POST" ? Self.posting(path) : .unknown
    }

    private static func reading(_ path: String) -> MockRoute {
        if path.hasSuffix("/models") { return .models }
        if path == "/mock/stats" { return .stats }
        if let found = path.firstRange(of: "/models/"), found.upperBound < path.endIndex {
            return .model(String(path[found.upperBound...]))
        }
        return .unknown
    }

    private static func posting(_ path: String) -> MockRoute {
        if path.hasSuffix("/chat/completions") { return .chat }
        if path.hasSuffix("/responses") { return .responses }
        if path.hasSuffix("/embeddings") { return .embeddings }
        if path.hasSuffix("/messages") { return .messages }
        if let at = path.firstIndex(of: "@") { return .workersRun(model: String(path[at...])) }
        guard let colon = path.lastIndex(of: ":"), let slash = path[..<colon].lastIndex(of: "/") else {
            return .unknown
        }
        let model = String(path[path.index(after: slash)..<colon])
        switch path[path.index(after: colon)...] {
        case "generateContent": return .generate(model: model)
        case "streamGenerateContent": return .streamGenerate(model: model)
        default: return .unknown
        }
    }
}
