internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import NIOCore
internal import TidegateCore

/// A call that was let in.
struct Call: Sendable {
    let caller: Caller
    let account: String
    let gateway: String
    /// What follows the `?`, as sent.
    let query: String
    let body: [UInt8]
    let parameters: Parameters
    let headers: HTTPFields

    func items() throws(APIFailure) -> QueryItems { try QueryItems(query) }

    func header(_ name: String) -> String? { HTTPField.Name(name).flatMap { headers[$0] } }
}

/// One method of one resource.
struct Endpoint: Sendable {
    let method: HTTPRequest.Method
    let path: String
    let access: Access
    /// Only the node that serves the gateway's slot can answer.
    let isForOwner: Bool
    let answer: @Sendable (Call) async throws -> Answer

    static let account = "/client/v4/accounts/{account}"
    static let base = account + "/ai-gateway"
    static let gateway = base + "/gateways/{gateway}"

    init(
        _ method: HTTPRequest.Method, _ path: String, _ access: Access, isForOwner: Bool = false,
        _ answer: @escaping @Sendable (Call) async throws -> Answer
    ) {
        self.method = method
        self.path = path
        self.access = access
        self.isForOwner = isForOwner
        self.answer = answer
    }
}

/// Lets a call in, answers it, and puts every failure into the envelope.
struct EndpointResponder: HTTPResponder {
    let endpoint: Endpoint
    let gatekeeper: Gatekeeper
    let owners: any GatewayOwners
    let region: String

    func respond(to request: Request, context: ManagementContext) async throws -> Response {
        do {
            return try await answer(request, context)
        } catch let failure as APIFailure {
            return Answer(failure).response(region: region)
        } catch let error as TidegateError {
            let failure = APIFailure(error)
            if failure.status >= 500 {
                context.logger.warning(
                    "A management call failed",
                    metadata: ["route": "\(endpoint.path)", "error.code": "\(error.code.rawValue)"])
            }
            return Answer(failure).response(region: region)
        } catch {
            context.logger.error("A management call broke", metadata: ["route": "\(endpoint.path)"])
            let failure = APIFailure(status: 500, code: APIFailure.Code.internalError, "Internal error")
            return Answer(failure).response(region: region)
        }
    }

    private func answer(_ request: Request, _ context: ManagementContext) async throws -> Response {
        let parameters = context.parameters
        let query = request.uri.query ?? ""
        var account = parameters.get("account")
        if case .node = endpoint.access { account = try QueryItems(query).one("account") ?? "default" }
        let headers = request.headers
        let gateway = parameters.get("gateway")
        let caller: Caller =
            context.isFromPeer
            ? .administrator
            : try await gatekeeper.admit(
                to: endpoint.access, account: account, gateway: gateway, authorization: headers[.authorization],
                email: Self.value("x-auth-email", headers), key: Self.value("x-auth-key", headers))
        if endpoint.isForOwner, !context.isFromPeer,
            let peer = try await owners.owner(of: gateway ?? "", account: account ?? "")
        {
            return try await ForwardedCall(owners: owners, request: context.request).response(from: peer)
        }
        let body = try await request.body.collect(upTo: ManagementAPI.bodyBytesMax)
        let call = Call(
            caller: caller, account: account ?? "", gateway: gateway ?? "", query: query,
            body: Array(body.readableBytesView), parameters: parameters, headers: headers)
        guard endpoint.isForOwner, endpoint.method == .get else {
            return try await endpoint.answer(call).response(region: region)
        }
        let consistency = try Consistency.asked(call)
        return try await endpoint.answer(call).vouchedFor(by: owners, consistency).response(region: region)
    }

    private static func value(_ name: String, _ headers: HTTPFields) -> String? {
        HTTPField.Name(name).flatMap { headers[$0] }
    }
}

extension Answer {
    func response(region: String) -> Response {
        var fields = HTTPFields()
        for (name, value) in headers + [("x-content-type-options", "nosniff"), ("x-tidegate-region", region)] {
            if let name = HTTPField.Name(name) { fields.append(HTTPField(name: name, value: value)) }
        }
        return Response(
            status: HTTPResponse.Status(code: status), headers: fields,
            body: rest.map { Self.stream(body, $0) } ?? ResponseBody(byteBuffer: ByteBuffer(bytes: body)))
    }

    /// Of a long body, in memory at once.
    static let partBytes = 1 << 20

    /// The next part is read once the client has taken the one before.
    private static func stream(_ first: [UInt8], _ rest: BodyObject) -> ResponseBody {
        ResponseBody(contentLength: rest.bytes) { writer in
            var (part, offset) = (first, 0)
            while !part.isEmpty {
                offset += part.count
                let isLast = part.count < partBytes
                try await writer.write(ByteBuffer(bytes: part))
                if isLast { break }
                part = try await rest.read(offset..<(offset + partBytes))
            }
            if let bytes = rest.bytes, offset != bytes {
                throw TidegateError(.corrupt, "A stored body has \(offset) bytes, its row says \(bytes).")
            }
            try await writer.finish(nil)
        }
    }
}
