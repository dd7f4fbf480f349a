internal import NIOCore
internal import NIOHTTP1

/// What a request's head says about its body and its connection, read in one pass; and whether it is refused for that.
///
/// The decoder has already refused a second `Content-Length`, one beside `Transfer-Encoding`, and malformed fields.
struct RequestFraming {
    /// Bytes of the body when the head tells; 0 without a body, `nil` for a chunked one.
    private(set) var length: Int? = 0
    /// Whether the head speaks of a length or coding at all: a POST may have neither.
    private(set) var announcesBody = false
    private(set) var expectsContinue = false
    private(set) var wantsWebSocket = false
    /// Nothing behind this request can be read: the decoder stops at an upgrade.
    private(set) var endsConnection = false
    private(set) var refusal: HTTPResponseStatus?

    // What the gateway wants to know of the other fields, so that they are looked at once.
    /// Whether any field is `cf-aig-…` or an old name of one.
    private(set) var hasOptions = false
    private(set) var gatewayAuthorization: String?
    private(set) var authorization: String?
    /// The first of the other fields that carry a provider's key.
    private(set) var otherKey: (name: String, value: String)?
    private(set) var userAgent = ""
    private(set) var contentType = ""

    /// - Parameter bodyBytesMax: a longer body is refused by its announcement.
    init(_ head: HTTPRequestHead, limits: DataPlaneSettings, bodyBytesMax: Int) {
        var bytes = head.uri.utf8.count + 16
        var hosts = 0
        var lengths = 0
        var coded = false
        for (name, value) in head.headers {
            bytes += name.utf8.count + value.utf8.count + 4
            switch name.utf8.count {
            case 4 where name.isField("host"): hosts += 1
            case 6 where name.isField("expect"): expectsContinue = value.isField("100-continue")
            case 7 where name.isField("upgrade"):
                endsConnection = true
                wantsWebSocket = wantsWebSocket || value.isField("websocket")
            case 7 where name.isField("api-key"): otherKey = otherKey ?? ("api-key", value)
            case 9 where name.isField("x-api-key"): otherKey = otherKey ?? ("x-api-key", value)
            case 10 where name.isField("user-agent"): userAgent = value
            case 10 where name.isField("xi-api-key"): otherKey = otherKey ?? ("xi-api-key", value)
            case 12 where name.isField("content-type"): contentType = value
            case 13 where name.isField("authorization"): authorization = value
            case 14 where name.isField("x-goog-api-key"): otherKey = otherKey ?? ("x-goog-api-key", value)
            case 14 where name.isField("content-length"):
                lengths += 1
                length = Int(value)
            case 17 where name.isField("transfer-encoding"):
                coded = true
                if !value.isField("chunked") { refusal = .notImplemented }
            case 20 where name.isField("cf-aig-authorization"): gatewayAuthorization = value
            default: if name.hasFieldPrefix("cf-aig-") { hasOptions = true }
            }
        }
        announcesBody = coded || lengths > 0
        if coded {
            if lengths > 0 || head.version.minor < 1 { refusal = .badRequest }
            length = nil
        } else if lengths > 1 || (length ?? -1) < 0 {
            refusal = .badRequest
        }
        if let length, length > bodyBytesMax { refusal = .payloadTooLarge }
        if hosts > 1 || (hosts == 0 && head.version.minor >= 1) { refusal = .badRequest }
        if !head.uri.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) { refusal = .badRequest }
        if head.method == .CONNECT { refusal = .methodNotAllowed }
        if bytes > limits.headBytesMax || head.headers.count > limits.headFieldsMax {
            refusal = .requestHeaderFieldsTooLarge
        }
        if head.version.minor < 1 { expectsContinue = false }
    }
}

extension String {
    /// Whether this is `name` in any case. `name` is lower-case.
    func isField(_ name: StaticString) -> Bool {
        let length = name.utf8CodeUnitCount
        guard utf8.count == length else { return false }
        var position = name.utf8Start
        for byte in utf8 {
            let lower = byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte
            guard lower == position.pointee else { return false }
            position += 1
        }
        return true
    }

    /// Whether this begins with `name` in any case. `name` is lower-case.
    func hasFieldPrefix(_ name: StaticString) -> Bool {
        guard utf8.count >= name.utf8CodeUnitCount else { return false }
        var position = name.utf8Start
        let end = name.utf8Start + name.utf8CodeUnitCount
        for byte in utf8 {
            if position == end { return true }
            let lower = byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte
            guard lower == position.pointee else { return false }
            position += 1
        }
        return true
    }
}

/// Answers to requests that are malformed or too large. They end their connection.
enum HTTPRefusal {
    /// Of a request for a gateway, or of one that nobody could read.
    static func gateway(_ status: HTTPResponseStatus) -> [UInt8] {
        GatewayFailure(status: Int(status.code), code: 7001, message: status.reasonPhrase).body
    }

    /// In the management API's envelope.
    static func control(_ status: HTTPResponseStatus) -> [UInt8] {
        Array(
            """
            {"success":false,"result":{},"messages":[],"errors":[{"code":7001,"message":\
            \(JSONText.quoted(status.reasonPhrase))}]}
            """.utf8)
    }
}
