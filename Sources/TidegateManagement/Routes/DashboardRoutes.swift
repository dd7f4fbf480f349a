internal import HTTPTypes
internal import Hummingbird
internal import TidegateCore

/// The dashboard's files, from memory: the binary needs nothing beside it.
enum DashboardRoutes {
    private static let policy = [
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self'",
        "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
    ].joined(separator: "; ")

    static var endpoints: [Endpoint] {
        DashboardAssets.files.flatMap { path, text in
            let asset = endpoint("/assets/\(path)", path, text)
            return path == "index.html" ? [endpoint("/", path, text), asset] : [asset]
        }
    }

    private static func endpoint(_ route: String, _ path: String, _ text: String) -> Endpoint {
        let body = Array(text.utf8)
        let tag = "\"" + TokenDigest(ofSecret: text).hex.prefix(32) + "\""
        return Endpoint(.get, route, .open) { call in
            let isKnown = call.header("if-none-match") == tag
            var answer = Answer(
                status: isKnown ? 304 : 200, contentType: mediaType(of: path), body: isKnown ? [] : body)
            answer.headers += [
                (name: "content-security-policy", value: policy), (name: "referrer-policy", value: "no-referrer"),
                (name: "cache-control", value: "no-cache"), (name: "etag", value: tag),
            ]
            return answer
        }
    }

    private static func mediaType(of path: String) -> String {
        switch path.split(separator: ".").last {
        case "html": "text/html; charset=utf-8"
        case "js": "text/javascript; charset=utf-8"
        case "css": "text/css; charset=utf-8"
        case "svg": "image/svg+xml"
        default: "application/octet-stream"
        }
    }
}
