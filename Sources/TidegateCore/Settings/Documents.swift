/// The documents that the coordination store keeps under `acct/`, as JSON (protocol §2). Times are milliseconds since 1970.

/// What an account may use.
package enum Plan: String, Sendable, Codable, CaseIterable {
    case free, paid, unlimited

    /// Caps of the plan: interfaces.md §3.
    package var entitlements: Entitlements {
        switch self {
        case .free: Entitlements(gateways: 10, rowsPerAccount: 100_000, rowsPerGateway: nil)
        case .paid: Entitlements(gateways: 20, rowsPerAccount: nil, rowsPerGateway: 10_000_000)
        case .unlimited: Entitlements(gateways: nil, rowsPerAccount: nil, rowsPerGateway: nil)
        }
    }
}

/// Caps; `nil` is no cap.
package struct Entitlements: Equatable, Sendable, Codable {
    package var gateways: Int?
    package var rowsPerAccount: Int64?
    package var rowsPerGateway: Int64?

    package init(gateways: Int?, rowsPerAccount: Int64?, rowsPerGateway: Int64?) {
        self.gateways = gateways
        self.rowsPerAccount = rowsPerAccount
        self.rowsPerGateway = rowsPerGateway
    }
}

/// Overrides of a plan's caps. An absent field leaves the plan's cap; `.some(nil)` (JSON `null`) lifts it.
package struct EntitlementOverrides: Equatable, Sendable, Codable {
    package var gateways: Int?? = nil
    package var rowsPerAccount: Int64?? = nil
    package var rowsPerGateway: Int64?? = nil

    package init() {}

    /// These, with what `changes` names in place of ours.
    package func merging(_ changes: EntitlementOverrides) -> EntitlementOverrides {
        var merged = self
        if let gateways = changes.gateways { merged.gateways = .some(gateways) }
        if let rows = changes.rowsPerAccount { merged.rowsPerAccount = .some(rows) }
        if let rows = changes.rowsPerGateway { merged.rowsPerGateway = .some(rows) }
        return merged
    }

    package func applied(to plan: Entitlements) -> Entitlements {
        Entitlements(
            gateways: gateways ?? plan.gateways, rowsPerAccount: rowsPerAccount ?? plan.rowsPerAccount,
            rowsPerGateway: rowsPerGateway ?? plan.rowsPerGateway)
    }

    private enum CodingKeys: String, CodingKey { case gateways, rowsPerAccount, rowsPerGateway }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        if container.contains(.gateways) { gateways = .some(try container.decode(Int?.self, forKey: .gateways)) }
        if container.contains(.rowsPerAccount) {
            rowsPerAccount = .some(try container.decode(Int64?.self, forKey: .rowsPerAccount))
        }
        if container.contains(.rowsPerGateway) {
            rowsPerGateway = .some(try container.decode(Int64?.self, forKey: .rowsPerGateway))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        if let gateways { try container.encode(gateways, forKey: .gateways) }
        if let rowsPerAccount { try container.encode(rowsPerAccount, forKey: .rowsPerAccount) }
        if let rowsPerGateway { try container.encode(rowsPerGateway, forKey: .rowsPerGateway) }
    }
}

/// `acct/<account>/doc`.
package struct AccountDocument: Equatable, Sendable, Codable {
    package var id: String
    package var name: String
    package var plan: Plan
    package var overrides = EntitlementOverrides()
    package var gatewayCount = 0
    /// Sum of the allowances of the account's gateways, in rows (I10).
    package var allocated: Int64 = 0
    package var createdAtMs: Int64
    package var modifiedAtMs: Int64

    package init(id: String, name: String, plan: Plan, createdAtMs: Int64) {
        self.id = id
        self.name = name
        self.plan = plan
        self.createdAtMs = createdAtMs
        modifiedAtMs = createdAtMs
    }

    package var entitlements: Entitlements { overrides.applied(to: plan.entitlements) }
}

/// `acct/<account>/gw/<name>`.
package struct GatewayDocument: Equatable, Sendable, Codable {
    package enum State: String, Sendable, Codable { case active, deleting }

    /// 32 hexadecimal digits.
    package var uid: String
    package var state: State = .active
    /// Region of the gateway's slot.
    package var region: String
    package var settings: GatewaySettings
    package var createdAtMs: Int64
    package var modifiedAtMs: Int64

    package init(uid: GatewayUID, region: String, settings: GatewaySettings, createdAtMs: Int64) {
        self.uid = uid.description
        self.region = region
        self.settings = settings
        self.createdAtMs = createdAtMs
        modifiedAtMs = createdAtMs
    }
}

/// `acct/<account>/quota/<uid>`: rows that the gateway may hold without asking again (§9).
package struct QuotaDocument: Equatable, Sendable, Codable {
    package var allowance: Int64
    package init(allowance: Int64) { self.allowance = allowance }
}

package enum TokenPermission: String, Sendable, Codable, CaseIterable {
    /// Send calls through gateways.
    case run
    /// Read settings and logs.
    case read
    /// Change settings, rate and delete logs.
    case edit
}

/// `acct/<account>/token/<id>`. The secret itself is kept nowhere.
package struct TokenDocument: Equatable, Sendable, Codable {
    package var id: String
    package var name: String
    /// SHA-256 of the secret, 64 hexadecimal digits.
    package var digest: String
    package var permissions: [TokenPermission]
    /// Names of the gateways it is good for; `nil` is all of the account.
    package var gateways: [String]?
    package var createdAtMs: Int64
    package var expiresAtMs: Int64?

    package init(
        id: String, name: String, digest: String, permissions: [TokenPermission], gateways: [String]?,
        createdAtMs: Int64, expiresAtMs: Int64?
    ) {
        self.id = id
        self.name = name
        self.digest = digest
        self.permissions = permissions
        self.gateways = gateways
        self.createdAtMs = createdAtMs
        self.expiresAtMs = expiresAtMs
    }
}

/// `gone/<uid>`: the gateway is deleted for good.
package struct GoneDocument: Equatable, Sendable, Codable {
    package var atMs: Int64
    package var slot: String
    package var purged: Bool
    package init(atMs: Int64, slot: String, purged: Bool) {
        self.atMs = atMs
        self.slot = slot
        self.purged = purged
    }
}

/// `uid/<uid>`: written and removed together with the gateway's document.
package struct GatewayIndexDocument: Equatable, Sendable, Codable {
    package var account: String
    package var name: String
    package var region: String

    package init(account: String, name: String, region: String) {
        self.account = account
        self.name = name
        self.region = region
    }
}
