internal import HTTPTypes
internal import Hummingbird
internal import TidegateCore

/// `/client/v4/accounts`: ours, for the administrator.
struct AccountRoutes: Sendable {
    let accounts: any AccountService
    let randomBytes: @Sendable (Int) -> [UInt8]

    /// Rows of a list that are read at most: pages are cut out of the list's beginning.
    private static let listMax = 10_000

    var endpoints: [Endpoint] {
        [
            Endpoint(.get, "/client/v4/accounts", .administrator, list(_:)),
            Endpoint(.post, "/client/v4/accounts", .administrator, create(_:)),
            Endpoint(.get, Endpoint.account, .administrator, get(_:)),
            Endpoint(.patch, Endpoint.account, .administrator, update(_:)),
            Endpoint(.delete, Endpoint.account, .administrator, delete(_:)),
            Endpoint(.get, Endpoint.account + "/usage", .account(.read), usage(_:)),
        ]
    }

    @Sendable private func list(_ call: Call) async throws -> Answer {
        let items = try call.items()
        let paging = try Paging(items, perPageMax: 50)
        let (end, overflow) = paging.page.multipliedReportingOverflow(by: paging.perPage)
        let after = try items.one("after")
        var found: [AccountDocument] = []
        if !overflow, end <= Self.listMax { found = try await accounts.accounts(after: after, limit: end) }
        let page = paging.cut(found)
        return .list(
            page.map(json),
            info: [
                ("count", .integer(Int64(page.count))), ("page", .integer(Int64(paging.page))),
                ("per_page", .integer(Int64(paging.perPage))),
            ])
    }

    @Sendable private func create(_ call: Call) async throws -> Answer {
        var reader = try BodyReader(call.body)
        let id = reader.identifier("id", required: false) ?? Hexadecimal.text(randomBytes(16))
        let name = reader.text("name", characters: 1...256, required: true)
        let plan = reader.choice("plan", Plan.self)
        let overrides = reader.entitlements()
        try reader.finish()
        return .result(
            json(
                try await accounts.createAccount(
                    id: id, name: name ?? id, plan: plan ?? .free,
                    overrides: overrides ?? EntitlementOverrides())))
    }

    @Sendable private func get(_ call: Call) async throws -> Answer {
        guard let account = try await accounts.account(call.account) else { throw APIFailure.missing("Account") }
        return .result(json(account))
    }

    @Sendable private func update(_ call: Call) async throws -> Answer {
        var reader = try BodyReader(call.body)
        let name = reader.text("name", characters: 1...256)
        let plan = reader.choice("plan", Plan.self)
        let overrides = reader.entitlements()
        try reader.finish()
        return .result(
            json(try await accounts.updateAccount(call.account, name: name, plan: plan, overrides: overrides)))
    }

    @Sendable private func delete(_ call: Call) async throws -> Answer {
        guard let account = try await accounts.account(call.account) else { throw APIFailure.missing("Account") }
        try await accounts.deleteAccount(call.account)
        return .result(json(account))
    }

    @Sendable private func usage(_ call: Call) async throws -> Answer {
        let usage = try await accounts.usage(of: call.account)
        let live = usage.gateways.reduce(Int64(0)) { $0 + $1.liveRows }
        return .result(
            .object([
                ("plan", .string(usage.plan.rawValue)),
                (
                    "gateways",
                    .object([
                        ("count", .integer(Int64(usage.gateways.count))),
                        ("cap", .optional(usage.entitlements.gateways)),
                    ])
                ),
                (
                    "rows",
                    .object([("live", .integer(live)), ("cap", .optional(usage.entitlements.rowsPerAccount))])
                ),
                (
                    "perGateway",
                    .array(
                        usage.gateways.map { gateway in
                            .object([
                                ("id", .string(gateway.name)), ("live", .integer(gateway.liveRows)),
                                ("allowance", .integer(gateway.allowance)), ("cap", .optional(gateway.cap)),
                            ])
                        })
                ),
            ]))
    }

    private func json(_ account: AccountDocument) -> JSONText {
        let caps = account.entitlements
        return .object([
            ("id", .string(account.id)), ("name", .string(account.name)), ("plan", .string(account.plan.rawValue)),
            (
                "entitlements",
                .object([
                    ("gateways", .optional(caps.gateways)), ("rowsPerAccount", .optional(caps.rowsPerAccount)),
                    ("rowsPerGateway", .optional(caps.rowsPerGateway)),
                ])
            ),
            ("gatewayCount", .integer(Int64(account.gatewayCount))),
            ("createdAt", .string(Timestamp.text(account.createdAtMs))),
            ("modifiedAt", .string(Timestamp.text(account.modifiedAtMs))),
        ])
    }
}

extension BodyReader {
    /// Overrides of the plan's caps: `null` lifts one.
    fileprivate mutating func entitlements() -> EntitlementOverrides? {
        guard let value = self["entitlements"] else { return nil }
        guard case .object(let fields) = value else {
            refuse("Must be an object", "entitlements")
            return nil
        }
        var overrides = EntitlementOverrides()
        for (name, value) in fields.sorted(by: { $0.key < $1.key }) {
            var cap: Int64?
            if case .integer(let number) = value, number >= 0 { cap = number }
            if cap == nil, value != .null {
                refuse("Must be null or an integer of at least 0", "entitlements", .name(name))
            }
            switch name {
            case "gateways": overrides.gateways = .some(cap.map { Int($0) })
            case "rowsPerAccount": overrides.rowsPerAccount = .some(cap)
            case "rowsPerGateway": overrides.rowsPerGateway = .some(cap)
            default: refuse("Unknown entitlement", "entitlements", .name(name))
            }
        }
        return overrides
    }
}
