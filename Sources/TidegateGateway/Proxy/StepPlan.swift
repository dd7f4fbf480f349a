internal import NIOCore
internal import NIOHTTP1

/// One step of a call, ready to run: where it goes and with what.
struct StepPlan {
    enum Body {
        /// The client's bytes pass as they come; such a step runs once.
        case streamed(UpstreamBody)
        /// All there: can be sent again.
        case whole(ByteBuffer)

        var framing: UpstreamBody {
            switch self {
            case .streamed(let framing): framing
            case .whole(let bytes): .length(bytes.readableBytes)
            }
        }
    }

    var target: ProviderTarget
    var method: HTTPMethod
    /// As they go upstream, `Host` included, framing not.
    var headers: HTTPHeaders
    var body: Body
    var options: GatewayOptions
    var requestContentType: String
    /// The model as the provider knows it, where the row's request body names another.
    var model: String?
    /// What the row keeps as the request's body when it is not the body that goes upstream.
    var shownBody: ByteBuffer?

    var origin: Origin { Origin(isTLS: target.isTLS, host: target.host, port: target.port) }
}
