internal import HTTPTypes
internal import TidegateCore

/// Resources of the reference that this build does not have: they say so, instead of being unknown.
enum LaterRoutes {
    private static let ofGateway = [
        "datasets", "evaluations", "provider_configs", "routes", "policies", "custom-domains",
    ]
    private static let ofAccount = ["evaluation-types", "custom-providers", "billing"]

    static var endpoints: [Endpoint] {
        let methods: [HTTPRequest.Method] = [.get, .post, .put, .patch, .delete]
        let resources = ofGateway.map { Endpoint.gateway + "/" + $0 } + ofAccount.map { Endpoint.base + "/" + $0 }
        let paths = resources + resources.map { $0 + "/**" }
        return paths.flatMap { path in methods.map { endpoint($0, path) } }
    }

    private static func endpoint(_ method: HTTPRequest.Method, _ path: String) -> Endpoint {
        Endpoint(method, path, .someGateways(.read)) { _ in
            throw APIFailure(
                status: 501, code: APIFailure.Code.notImplemented, "This version of Tidegate does not have this yet")
        }
    }
}
