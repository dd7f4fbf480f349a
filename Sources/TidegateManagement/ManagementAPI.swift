internal import HTTPTypes
internal import Hummingbird
package import Logging
internal import NIOCore
package import TidegateCore

/// Answers everything that is not the data plane: the management API, the dashboard, health, status and metrics.
///
/// Hummingbird's router without its server: requests come from the data plane's listener and answers go back through it.
package struct ManagementAPI: ControlPlane {
    /// Of a request's body. The largest good one is a gateway with all of its rules.
    static let bodyBytesMax = 1024 * 1024
    /// Of an answer, handed to the listener at once.
    private static let partBytes = 64 * 1024

    private let responder: RouterResponder<ManagementContext>
    private let region: String
    private let logger: Logger

    /// - Parameters:
    ///   - region: of this node; answers name it in `x-tidegate-region`.
    ///   - owners: who answers for a gateway's log.
    ///   - publicURL: how clients reach this node, without a slash at the end; asked for at each use.
    ///   - randomBytes: unpredictable bytes, for tokens.
    package init(
        accounts: any AccountService, logs: any LogService, directory: any GatewayDirectory,
        status: any NodeStatusSource, administratorToken: AdministratorToken, clock: any WallClock, region: String,
        publicURL: @escaping @Sendable () -> String, owners: any GatewayOwners = EveryGatewayHere(), logger: Logger,
        randomBytes: @escaping @Sendable (Int) -> [UInt8] = { count in
            var generator = SystemRandomNumberGenerator()
            return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
        }
    ) {
        self.region = region
        self.logger = logger
        let endpoints =
            GatewayRoutes(accounts: accounts, directory: directory, publicURL: publicURL).endpoints
            + LogRoutes(logs: logs, directory: directory).endpoints
            + AnalyticsRoutes(logs: logs, directory: directory, clock: clock).endpoints
            + AccountRoutes(accounts: accounts, randomBytes: randomBytes).endpoints
            + TokenRoutes(accounts: accounts, clock: clock, randomBytes: randomBytes).endpoints
            + NodeRoutes(status: status).endpoints + LaterRoutes.endpoints + DashboardRoutes.endpoints
        responder = RouteTable.responder(
            endpoints,
            gatekeeper: Gatekeeper(administrator: administratorToken, directory: directory, clock: clock),
            owners: owners, region: region)
    }

    package func respond(to request: ControlRequest, through writer: any ControlResponseWriter) async {
        await respond(to: request, isFromPeer: false, through: writer)
    }

    /// - Parameter isFromPeer: another node has checked the caller's rights, and is not asked again who should answer.
    package func respond(
        to request: ControlRequest, isFromPeer: Bool, through writer: any ControlResponseWriter
    ) async {
        do {
            let response = await response(to: request, isFromPeer: isFromPeer)
            try await send(response, isHead: request.method == "HEAD", through: writer)
        } catch {
            // The client has left; there is nobody to tell.
            logger.debug("A management answer was not taken", metadata: ["error": "\(error)"])
        }
    }

    private func response(to request: ControlRequest, isFromPeer: Bool) async -> Response {
        guard request.body.count <= Self.bodyBytesMax else {
            return refusal(413, APIFailure.Code.tooLarge, "The body is longer than \(Self.bodyBytesMax) bytes")
        }
        guard let method = HTTPRequest.Method(request.method) else {
            return refusal(400, APIFailure.Code.invalid, "The method is not a word")
        }
        var fields = HTTPFields()
        for (name, value) in request.headers {
            if let name = HTTPField.Name(name) { fields.append(HTTPField(name: name, value: value)) }
        }
        let head = HTTPRequest(
            method: method, scheme: "http", authority: nil, path: request.target, headerFields: fields)
        let whole = Request(head: head, body: RequestBody(buffer: ByteBuffer(bytes: request.body)))
        do {
            let context = ManagementContext(
                source: .init(logger: logger, isFromPeer: isFromPeer, request: request))
            let response = try await responder.respond(to: whole, context: context)
            // Ours all have a content type: this one is the router's own, for a path or method that it does not know.
            guard response.headers[.contentType] == nil else { return response }
            return refusal(404, APIFailure.Code.noRoute, "No route for that URI")
        } catch {
            logger.error("A management call broke outside its endpoint", metadata: ["error": "\(error)"])
            return refusal(500, APIFailure.Code.internalError, "Internal error")
        }
    }

    private func refusal(_ status: Int, _ code: Int, _ message: String) -> Response {
        Answer(APIFailure(status: status, code: code, message)).response(region: region)
    }

    private func send(_ response: Response, isHead: Bool, through writer: any ControlResponseWriter) async throws {
        try await writer.head(
            status: response.status.code,
            headers: response.headers.map { (name: $0.name.canonicalName, value: $0.value) })
        if isHead || response.status == .notModified { return try await writer.end() }
        try await response.body.write(PartWriter(writer: writer, partBytes: Self.partBytes))
    }
}

/// Hands the parts of a body to the listener, none longer than it likes.
private struct PartWriter: ResponseBodyWriter {
    let writer: any ControlResponseWriter
    let partBytes: Int

    mutating func write(_ buffer: ByteBuffer) async throws {
        var rest = buffer
        while let part = rest.readBytes(length: min(partBytes, rest.readableBytes)), !part.isEmpty {
            try await writer.part(part)
        }
    }

    consuming func finish(_ trailingHeaders: HTTPFields?) async throws { try await writer.end() }
}
