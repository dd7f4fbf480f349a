internal import HTTPTypes
internal import Hummingbird
internal import TidegateCore

/// All endpoints as a Hummingbird responder.
enum RouteTable {
    private static let methods: [HTTPRequest.Method] = [.get, .post, .put, .patch, .delete]

    static func responder(
        _ endpoints: [Endpoint], gatekeeper: Gatekeeper, owners: any GatewayOwners, region: String
    ) -> RouterResponder<ManagementContext> {
        let router = Router(context: ManagementContext.self, options: .autoGenerateHeadEndpoints)
        for endpoint in endpoints + refusals(of: endpoints) {
            router.on(
                RouterPath(endpoint.path), method: endpoint.method,
                responder: EndpointResponder(endpoint: endpoint, gatekeeper: gatekeeper, owners: owners, region: region)
            )
        }
        return router.buildResponder()
    }

    /// 405 for the methods that a resource does not have.
    private static func refusals(of endpoints: [Endpoint]) -> [Endpoint] {
        Dictionary(grouping: endpoints, by: \.path).flatMap { path, present in
            let allowed = methods.filter { method in present.contains { $0.method == method } }
            let names = allowed.map(\.rawValue).joined(separator: ", ")
            return methods.filter { !allowed.contains($0) }.map { method in
                Endpoint(method, path, .open) { _ in
                    throw APIFailure(
                        status: 405, code: APIFailure.Code.method, "\(method.rawValue) is not allowed here",
                        headers: [(name: "allow", value: names)])
                }
            }
        }
    }
}
