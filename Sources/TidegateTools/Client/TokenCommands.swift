package import ArgumentParser
internal import TidegateCore

/// `tidegate token`.
package struct TokenCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Makes, lists and revokes an account's API tokens.",
        subcommands: [Create.self, List.self, Revoke.self])
    package init() {}

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "A new token. Its secret is printed once and kept nowhere.")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var owner: AccountOption
        @Option(help: "What it is for.") var name: String
        @Option(help: ArgumentHelp("run, read or edit; repeat for more.", valueName: "permission"))
        var permission: [String]
        @Option(name: [.short, .long], help: "Only for this gateway; repeat for more. Default: all.")
        var gateway: [String] = []
        @Option(help: "Until when, as in 2027-01-01T00:00:00Z. Default: for ever.") var expiresAt: String?

        func validate() throws {
            for word in permission where TokenPermission(rawValue: word) == nil {
                throw ValidationError("--permission must be run, read or edit, not '\(word)'.")
            }
        }

        func run() async throws {
            var body: [String: JSONValue] = [
                "name": .string(name), "permissions": .array(permission.map(JSONValue.string)),
            ]
            if !gateway.isEmpty { body["gateways"] = .array(gateway.map(JSONValue.string)) }
            body["expiresAt"] = expiresAt.map(JSONValue.string)
            let (result, _) = try await connection.client().call(.post, owner.path + ["tokens"], body: .object(body))
            connection.print(result, table: TextTable.fields)
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "The account's tokens, without their secrets.")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var owner: AccountOption
        func run() async throws {
            let (result, _) = try await connection.client().call(.get, owner.path + ["tokens"])
            let table = TextTable(columns: [
                .init("ID", "id"), .init("NAME", "name"), .init("PERMISSIONS", "permissions"),
                .init("GATEWAYS", "gateways"), .init("CREATED", "createdAt"), .init("EXPIRES", "expiresAt"),
            ])
            connection.print(result) { table.render($0.items, empty: "no tokens") }
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Ends a token's validity.")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var owner: AccountOption
        @Argument var id: String
        func run() async throws {
            let (result, _) = try await connection.client().call(.delete, owner.path + ["tokens", id])
            connection.print(result) { _ in "revoked token \(id)" }
        }
    }
}
