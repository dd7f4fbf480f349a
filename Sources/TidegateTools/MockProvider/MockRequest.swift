package import NIOCore
package import NIOHTTP1

/// What an answer depends on, read from a call's head and found in its body's bytes without decoding it.
package struct MockRequest: Sendable {
    package var route: MockRoute
    package var query: String
    /// As it stands between the quotes in the body (still escaped), or from the path.
    package var model: String
    package var isStreamed = false
    package var wantsStreamUsage = false
    package var wantsBase64 = false
    package var marksCache = false
    /// Letters, digits, `-` and `_` behind the first `nonce:` of the body.
    package var nonce: String?
    package var bodyBytes: Int
    package var body: ByteBuffer
    /// Which of the known key headers came with a value.
    package var hasBearer = false
    package var hasAPIKey = false
    package var hasGoogleKey = false
    package var hasAnthropicVersion = false
    /// A key that contains `invalid` is refused.
    package var hasInvalidKey = false

    /// What the test that sent the call wants, in `x-mock-…` headers: it overrides the behaviour for this call.
    package var forcedFault: MockFate.Fault?
    package var forcedLatencyMs: Double?
    package var forcedChunks: Int?
    package var forcedIntervalMs: Double?

    package init(head: HTTPRequestHead, body: ByteBuffer) {
        let mark = head.uri.utf8.firstIndex(of: 0x3F)
        route = MockRoute(method: head.method.rawValue, path: String(head.uri[..<(mark ?? head.uri.endIndex)]))
        query = mark.map { String(head.uri[head.uri.index(after: $0)...]) } ?? ""
        bodyBytes = body.readableBytes
        self.body = body
        model = ""
        read(head.headers)
        hasGoogleKey = hasGoogleKey || query.contains("key=")
        scan()
        switch route {
        case .generate(let name), .streamGenerate(let name), .workersRun(let name):
            model = name.filter { $0 != "\"" && $0 != "\\" }
        default: break
        }
    }

    private mutating func read(_ headers: HTTPHeaders) {
        for (name, value) in headers where (9...18).contains(name.utf8.count) {
            switch name.lowercased() {
            case "authorization":
                hasBearer = value.hasPrefix("Bearer ") && value.utf8.count > 7
                hasInvalidKey = hasInvalidKey || value.contains("invalid")
            case "x-api-key":
                hasAPIKey = !value.isEmpty
                hasInvalidKey = hasInvalidKey || value.contains("invalid")
            case "x-goog-api-key":
                hasGoogleKey = !value.isEmpty
                hasInvalidKey = hasInvalidKey || value.contains("invalid")
            case "anthropic-version": hasAnthropicVersion = true
            case "x-mock-fault": forcedFault = MockFate.Fault(rawValue: value)
            case "x-mock-latency-ms": forcedLatencyMs = Double(value).flatMap { $0 >= 0 ? $0 : nil }
            case "x-mock-chunks": forcedChunks = Int(value).flatMap { (1...100_000).contains($0) ? $0 : nil }
            case "x-mock-interval-ms": forcedIntervalMs = Double(value).flatMap { $0 >= 0 ? $0 : nil }
            default: break
            }
        }
    }

    /// One pass. A key between two plain quotes cannot stand inside a JSON string, where the quotes are escaped.
    private mutating func scan() {
        let found = body.withUnsafeReadableBytes { MockBodyScan($0) }
        if let range = found.model {
            model = body.getString(at: body.readerIndex + range.lowerBound, length: range.count) ?? ""
        }
        nonce = found.nonce.flatMap { body.getString(at: body.readerIndex + $0.lowerBound, length: $0.count) }
        isStreamed = found.isStreamed
        wantsStreamUsage = found.wantsStreamUsage
        wantsBase64 = found.wantsBase64
        marksCache = found.marksCache
    }
}
