internal import HTTPTypes
internal import Hummingbird
internal import TidegateCore

/// `/client/v4/accounts/{account}/tokens`: ours. Only the administrator makes and revokes tokens, so that no token can
/// make itself a stronger one.
struct TokenRoutes: Sendable {
    let accounts: any AccountService
    let clock: any WallClock
    let randomBytes: @Sendable (Int) -> [UInt8]

    private static let list = Endpoint.account + "/tokens"
    private static let gatewaysMax = 100

    var endpoints: [Endpoint] {
        [
            Endpoint(.get, Self.list, .administrator, list(_:)),
            Endpoint(.post, Self.list, .administrator, create(_:)),
            Endpoint(.delete, Self.list + "/{id}", .administrator, revoke(_:)),
        ]
    }

    @Sendable private func list(_ call: Call) async throws -> Answer {
        let paging = try Paging(try call.items(), perPageMax: 100)
        let all = try await accounts.tokens(of: call.account)
        return .list(paging.cut(all).map { json($0) }, page: paging, totalCount: all.count)
    }

    @Sendable private func create(_ call: Call) async throws -> Answer {
        let now = clock.milliseconds()
        var reader = try BodyReader(call.body)
        let name = reader.text("name", characters: 1...256, required: true)
        let permissions = reader.value("permissions", required: true, wanted: "an array of run, read, edit") { field in
            Self.names(field).flatMap { names -> [TokenPermission]? in
                let read = names.compactMap(TokenPermission.init(rawValue:))
                return read.count == names.count ? TokenPermission.allCases.filter(read.contains) : nil
            }
        }
        let gateways = reader.value("gateways", nullable: true, wanted: "an array of 1 to 100 names of gateways") {
            Self.names($0).flatMap { $0.allSatisfy(BodyReader.isIdentifier) ? $0 : nil }
        }
        let end = reader.value("expiresAt", nullable: true, wanted: "a date in the future") { field -> Int64? in
            guard case .string(let text) = field, let end = Timestamp.milliseconds(text), end > now else { return nil }
            return end
        }
        try reader.finish()
        let secret = TokenSecret.text(randomBytes: randomBytes(32))
        let token = TokenDocument(
            id: Hexadecimal.text(randomBytes(16)), name: name ?? "", digest: TokenDigest(ofSecret: secret).hex,
            permissions: permissions ?? [], gateways: gateways, createdAtMs: now, expiresAtMs: end)
        try await accounts.createToken(token, of: call.account)
        var answer = Answer.result(json(token, secret: secret))
        answer.headers.append((name: "cache-control", value: "no-store"))
        return answer
    }

    @Sendable private func revoke(_ call: Call) async throws -> Answer {
        let id = call.parameters.get("id") ?? ""
        try await accounts.revokeToken(id, of: call.account)
        return .result(.object([("id", .string(id))]))
    }

    private static func names(_ field: JSONValue) -> [String]? {
        guard case .array(let items) = field, (1...gatewaysMax).contains(items.count) else { return nil }
        let names = items.compactMap { if case .string(let text) = $0 { text } else { nil } }
        return names.count == items.count ? names : nil
    }

    private func json(_ token: TokenDocument, secret: String? = nil) -> JSONText {
        var fields: [(String, JSONText)] = [
            ("id", .string(token.id)), ("name", .string(token.name)),
            ("permissions", .strings(token.permissions.map(\.rawValue))),
        ]
        if let secret { fields.append(("secret", .string(secret))) }
        fields += [
            ("createdAt", .string(Timestamp.text(token.createdAtMs))),
            ("gateways", token.gateways.map { .strings($0) } ?? .null),
            ("expiresAt", .optional(token.expiresAtMs.map(Timestamp.text))),
        ]
        return .object(fields)
    }
}
