package import ArgumentParser
internal import TidegateCore

/// `tidegate account`.
package struct AccountCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "account", abstract: "Lists, makes, changes and deletes accounts; shows their usage.",
        subcommands: [List.self, Create.self, Get.self, Update.self, Delete.self, Usage.self])
    package init() {}

    fileprivate static let table = TextTable(columns: [
        .init("ID", "id"), .init("NAME", "name"), .init("PLAN", "plan"),
        .init("CREATED") { $0["createdAt"] ?? $0["created_at"] },
    ])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "All accounts. Needs the administrator token.")
        @OptionGroup var connection: ConnectionOptions
        func run() async throws {
            let rows = try await connection.client().all(["accounts"], perPage: 50)
            connection.print(.array(rows)) { _ in AccountCommand.table.render(rows, empty: "no accounts") }
        }
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "A new account.")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "Its id: small letters, digits and '-', at most 64.") var id: String
        @OptionGroup var fields: AccountFields
        func run() async throws {
            var body = try fields.body()
            body["id"] = .string(id)
            body["name"] = body["name"] ?? .string(id)
            body["plan"] = body["plan"] ?? .string(Plan.free.rawValue)
            let (result, _) = try await connection.client().call(.post, ["accounts"], body: .object(body))
            connection.print(result, table: TextTable.fields)
        }
    }

    struct Get: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "One account.")
        @OptionGroup var connection: ConnectionOptions
        @Argument var id: String
        func run() async throws {
            let (result, _) = try await connection.client().call(.get, ["accounts", id])
            connection.print(result, table: TextTable.fields)
        }
    }

    struct Update: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Changes an account's name, plan or caps.")
        @OptionGroup var connection: ConnectionOptions
        @Argument var id: String
        @OptionGroup var fields: AccountFields
        func validate() throws {
            if try fields.body().isEmpty { throw ValidationError("Say what to change: --name, --plan or a cap.") }
        }
        func run() async throws {
            let body = JSONValue.object(try fields.body())
            let (result, _) = try await connection.client().call(.patch, ["accounts", id], body: body)
            connection.print(result, table: TextTable.fields)
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Deletes an account that has no gateways.")
        @OptionGroup var connection: ConnectionOptions
        @Argument var id: String
        func run() async throws {
            let (result, _) = try await connection.client().call(.delete, ["accounts", id])
            connection.print(result) { _ in "deleted account \(id)" }
        }
    }

    struct Usage: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Live rows, allowances and caps.")
        @OptionGroup var connection: ConnectionOptions
        @Argument(help: "Account id.") var id = "default"
        func run() async throws {
            let (result, _) = try await connection.client().call(.get, ["accounts", id, "usage"])
            connection.print(result, table: Self.table)
        }

        static func table(_ usage: JSONValue) -> String {
            func of(_ key: String, _ part: String) -> String {
                let value = usage[key]?[part]?.cell ?? "-"
                return value == "-" && part == "cap" ? "no cap" : value
            }
            let columns: [TextTable.Column] = [
                .init("GATEWAY", "id"), .init("LIVE", "live"), .init("ALLOWANCE", "allowance"), .init("CAP", "cap"),
            ]
            return """
                plan      \(usage["plan"]?.cell ?? "-")
                gateways  \(of("gateways", "count")) (\(of("gateways", "cap")))
                rows      \(of("rows", "live")) (\(of("rows", "cap")))

                \(TextTable(columns: columns).render(usage["perGateway"]?.items ?? [], empty: "no gateways"))
                """
        }
    }
}

/// What can be set on an account.
package struct AccountFields: ParsableArguments {
    @Option(help: "Shown name.") package var name: String?
    @Option(help: "free, paid or unlimited.") package var plan: String?
    @Option(help: "Cap on gateways: a number, or none.") package var gateways: String?
    @Option(help: "Cap on rows of the account: a number, or none.") package var rowsPerAccount: String?
    @Option(help: "Cap on rows of each gateway: a number, or none.") package var rowsPerGateway: String?
    package init() {}

    package func validate() throws {
        if let plan, Plan(rawValue: plan) == nil {
            throw ValidationError("--plan must be free, paid or unlimited, not '\(plan)'.")
        }
        _ = try body()
    }

    func body() throws -> [String: JSONValue] {
        var body: [String: JSONValue] = [:]
        body["name"] = name.map(JSONValue.string)
        body["plan"] = plan.map(JSONValue.string)
        var caps: [String: JSONValue] = [:]
        caps["gateways"] = try cap(gateways, "--gateways")
        caps["rowsPerAccount"] = try cap(rowsPerAccount, "--rows-per-account")
        caps["rowsPerGateway"] = try cap(rowsPerGateway, "--rows-per-gateway")
        if !caps.isEmpty { body["entitlements"] = .object(caps) }
        return body
    }

    private func cap(_ text: String?, _ flag: String) throws -> JSONValue? {
        guard let text else { return nil }
        if text == "none" { return .null }
        guard let number = Int64(text), number >= 0 else {
            throw ValidationError("\(flag) must be a number or 'none', not '\(text)'.")
        }
        return .integer(number)
    }
}
