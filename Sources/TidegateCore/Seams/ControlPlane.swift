/// A request that is not for the data plane, taken off the wire whole: the same port serves both.
package struct ControlRequest: Sendable {
    package var method: String
    /// Path and query as sent.
    package var target: String
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]
    package init(method: String, target: String, headers: [(name: String, value: String)], body: [UInt8]) {
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
    }
}

/// Answers what the data plane does not: management API, dashboard, health, metrics.
package protocol ControlPlane: Sendable {
    func respond(to request: ControlRequest, through writer: any ControlResponseWriter) async
}

/// Takes one answer: a head, any number of parts, an end. Each call returns when there is room for the next.
package protocol ControlResponseWriter: Sendable {
    func head(status: Int, headers: [(name: String, value: String)]) async throws
    func part(_ bytes: [UInt8]) async throws
    func end() async throws
}
