/// An answer that the gateway itself gives instead of a provider's, in the shape that clients of the original service read.
package struct GatewayFailure: Error, Equatable, Sendable {
    /// HTTP status.
    package var status: Int
    /// The service's own number: `error[0].code`, `internalCode`.
    package var code: Int
    package var message: String
    /// What to do about it, in our own words; shown as `description`, which clients of the original show to people.
    package var hint: String?

    package init(status: Int, code: Int, message: String) {
        self.status = status
        self.code = code
        self.message = message
    }

    package static let contentType = "application/json"

    /// The whole body (reference: proxy.md §7), UTF-8 JSON.
    package var body: [UInt8] {
        let text = JSONText.quoted(message)
        let description = hint.map { JSONText.quoted($0) } ?? text
        return Array(
            """
            {"success":false,"result":[],"messages":[],"error":[{"code":\(code),"message":\(text)}],\
            "name":"AiGatewayError","httpCode":\(status),"internalCode":\(code),"message":\(text),"description":\(description)}
            """.utf8)
    }
}

extension GatewayFailure {
    func hinting(_ hint: String) -> GatewayFailure {
        var failure = self
        failure.hint = hint
        return failure
    }

    package static let unknownGateway = GatewayFailure(
        status: 400, code: 2001, message: "Please configure AI Gateway in the Cloudflare dashboard")
    package static let rateLimited = GatewayFailure(status: 429, code: 2003, message: "Rate limited")
    /// No provider gave an answer that could be used: unreachable, cut before its head, or out of time.
    package static let noAnswer = GatewayFailure(
        status: 400, code: 2005, message: "Failed to get response from provider")
    package static let invalidProvider = GatewayFailure(status: 400, code: 2008, message: "Invalid provider")
    package static let unauthorized = GatewayFailure(status: 401, code: 2009, message: "Unauthorized")
    package static let badChatFormat = GatewayFailure(
        status: 400, code: 2019, message: "Chat completion bad format")
    package static let noRoute = GatewayFailure(status: 400, code: 7000, message: "No route for that URI")

    /// A request that cannot be understood; `detail` says what and where.
    package static func badRequest(_ detail: String) -> GatewayFailure {
        GatewayFailure(status: 400, code: 7001, message: detail)
    }
    package static func badChatFormat(_ detail: String) -> GatewayFailure {
        GatewayFailure(status: 400, code: 2019, message: "Chat completion bad format: \(detail)")
    }
    /// Larger than the gateway takes (our own: the original's answer is not known).
    package static func tooLarge(_ detail: String) -> GatewayFailure {
        GatewayFailure(status: 413, code: 7001, message: detail)
    }
    /// The node cannot take the call now: connections, queues or the outbox are full (our own).
    package static func overloaded(_ detail: String) -> GatewayFailure {
        GatewayFailure(status: 503, code: 2005, message: detail)
    }
}
