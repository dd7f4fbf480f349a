internal import HTTPTypes
internal import Hummingbird
internal import TidegateCore

/// `…/ai-gateway/gateways` and its members (reference/management-api.md §2).
struct GatewayRoutes: Sendable {
    let accounts: any AccountService
    let directory: any GatewayDirectory
    let publicURL: @Sendable () -> String

    var endpoints: [Endpoint] {
        let all = Endpoint.base + "/gateways"
        return [
            Endpoint(.get, all, .someGateways(.read), list(_:)),
            Endpoint(.post, all, .account(.edit), create(_:)),
            Endpoint(.get, Endpoint.gateway, .gateway(.read), get(_:)),
            Endpoint(.put, Endpoint.gateway, .gateway(.edit), update(_:)),
            Endpoint(.delete, Endpoint.gateway, .gateway(.edit), delete(_:)),
            Endpoint(.get, Endpoint.gateway + "/url/{provider}", .gateway(.read), url(_:)),
        ]
    }

    @Sendable private func list(_ call: Call) async throws -> Answer {
        let items = try call.items()
        let paging = try Paging(items, perPageMax: 100)
        let search = try items.one("search") ?? ""
        let all = try await accounts.gateways(of: call.account).filter {
            call.caller.sees(gateway: $0.name) && (search.isEmpty || $0.name.contains(search))
        }
        return .list(paging.cut(all).map(JSONText.gateway), page: paging, totalCount: all.count)
    }

    @Sendable private func create(_ call: Call) async throws -> Answer {
        var reader = try BodyReader(call.body)
        let name = reader.identifier("id", required: true)
        let edits = try GatewayBody.read(reader)
        guard let name else { throw APIFailure.invalid("Required", at: ["body", "id"]) }
        let gateway = try await create(name, of: call.account, settings: Self.settings(edits))
        directory.adopt(gateway)
        return .result(.gateway(gateway))
    }

    private static func settings(_ edits: [GatewayBody.Edit]) -> GatewaySettings {
        edits.reduce(into: GatewaySettings()) { settings, edit in edit(&settings) }
    }

    private func create(
        _ name: String, of account: String, settings: GatewaySettings
    ) async throws -> GatewayView {
        do {
            return try await accounts.createGateway(name, of: account, settings: settings)
        } catch {
            guard error.code == .conflict else { throw error }
            throw APIFailure(status: 409, code: APIFailure.Code.duplicateGateway, error.message)
        }
    }

    @Sendable private func get(_ call: Call) async throws -> Answer {
        guard let gateway = try await accounts.gateway(call.gateway, of: call.account) else {
            throw APIFailure.missing("Gateway")
        }
        return .result(.gateway(gateway))
    }

    @Sendable private func update(_ call: Call) async throws -> Answer {
        let edits = try GatewayBody.read(try BodyReader(call.body))
        let gateway = try await accounts.updateGateway(call.gateway, of: call.account) {
            (settings) throws(TidegateError) in
            for edit in edits { edit(&settings) }
            if settings.logClassification, !settings.collectLogs {
                throw TidegateError(.invalidRequest, "log_classification needs collect_logs; turn it off first.")
            }
        }
        directory.adopt(gateway)
        return .result(.gateway(gateway))
    }

    @Sendable private func delete(_ call: Call) async throws -> Answer {
        .result(.gateway(try await accounts.deleteGateway(call.gateway, of: call.account)))
    }

    @Sendable private func url(_ call: Call) async throws -> Answer {
        guard try await accounts.gateway(call.gateway, of: call.account) != nil else {
            throw APIFailure.missing("Gateway")
        }
        let provider = call.parameters.get("provider") ?? ""
        guard BodyReader.isIdentifier(provider) else {
            throw APIFailure.invalid("Must be the name of a provider", at: ["params", "provider"])
        }
        return .result(.string("\(publicURL())/v1/\(call.account)/\(call.gateway)/\(provider)"))
    }
}
