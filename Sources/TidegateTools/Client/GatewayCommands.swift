package import ArgumentParser
internal import TidegateCore

/// `tidegate gateway`.
package struct GatewayCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "gateway", abstract: "Lists, makes, changes and deletes gateways.",
        discussion: """
            Settings are given as --set key=value with the API's names, as in --set cache_ttl=300
            --set collect_logs=false --set log_management=100000. A value that reads as JSON is taken as JSON.
            """,
        subcommands: [List.self, Create.self, Get.self, Update.self, Delete.self])
    package init() {}

    fileprivate static let table = TextTable(columns: [
        .init("ID", "id"), .init("LOGS", "collect_logs"), .init("AUTH", "authentication"),
        .init("CACHE-TTL", "cache_ttl"), .init("ROWS-MAX", "log_management"),
        .init("AT-CAP", "log_management_strategy"), .init("CREATED", "created_at"),
    ])

    fileprivate static func path(_ owner: AccountOption, _ id: String? = nil) -> [String] {
        owner.path + ["ai-gateway", "gateways"] + (id.map { [$0] } ?? [])
    }

    /// What the API wants in every creation, switched off where it can be.
    static let defaults: [String: JSONValue] = [
        "cache_invalidate_on_update": .bool(false), "cache_ttl": .integer(0), "collect_logs": .bool(true),
        "rate_limiting_interval": .integer(0), "rate_limiting_limit": .integer(0),
        "rate_limiting_technique": .string("fixed"),
    ]

    /// Fields of an answer that an update does not take.
    static let readOnly: Set<String> = [
        "id", "created_at", "modified_at", "is_default", "account_id", "account_tag", "internal_id", "wholesale",
        "internal",
    ]

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "The gateways of an account.")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var owner: AccountOption
        @Option(help: "Part of the id.") var search: String?
        func run() async throws {
            let query = search.map { [("search", $0)] } ?? []
            let rows = try await connection.client().all(GatewayCommand.path(owner), query: query, perPage: 100)
            connection.print(.array(rows)) { _ in GatewayCommand.table.render(rows, empty: "no gateways") }
        }
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "A new gateway; logs on, limits and cache off.")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var owner: AccountOption
        @Argument(help: "Its id.") var id: String
        @OptionGroup var settings: SettingOptions
        func run() async throws {
            var body = GatewayCommand.defaults.merging(try settings.values()) { $1 }
            body["id"] = .string(id)
            let (result, _) = try await connection.client()
                .call(.post, GatewayCommand.path(owner), body: .object(body))
            connection.print(result, table: TextTable.fields)
            try settings.checkKnown(result)
        }
    }

    struct Get: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "One gateway with all its settings.")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var owner: AccountOption
        @Argument var id: String
        func run() async throws {
            let (result, _) = try await connection.client().call(.get, GatewayCommand.path(owner, id))
            connection.print(result, table: TextTable.fields)
        }
    }

    struct Update: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Changes the settings named with --set; the others keep their values.")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var owner: AccountOption
        @Argument var id: String
        @OptionGroup var settings: SettingOptions
        func validate() throws {
            if settings.set.isEmpty { throw ValidationError("Say what to change with --set key=value.") }
        }
        func run() async throws {
            let client = try connection.client()
            let path = GatewayCommand.path(owner, id)
            let current = try await client.call(.get, path).result.fields
            let writable = current.filter { !GatewayCommand.readOnly.contains($0.key) }
            let body = writable.merging(try settings.values()) { $1 }
            try settings.checkKnown(.object(current))
            let (result, _) = try await client.call(.put, path, body: .object(body))
            connection.print(result, table: TextTable.fields)
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Deletes a gateway with all its logs.")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var owner: AccountOption
        @Argument var id: String
        func run() async throws {
            let (result, _) = try await connection.client().call(.delete, GatewayCommand.path(owner, id))
            connection.print(result) { _ in "deleted gateway \(id)" }
        }
    }
}

/// `--set key=value`, repeated.
package struct SettingOptions: ParsableArguments {
    @Option(name: .customLong("set"), help: ArgumentHelp("A setting; repeat for more.", valueName: "key=value"))
    package var set: [String] = []
    package init() {}

    package func validate() throws { _ = try values() }

    /// The API passes over settings that it does not know, as the original does; a person who wrote one wants to hear it.
    func checkKnown(_ gateway: JSONValue) throws {
        let known = Set(gateway.fields.keys)
        let unknown = try values().keys.filter { !known.contains($0) }.sorted()
        guard !unknown.isEmpty else { return }
        Console.error(
            "no such setting: \(unknown.joined(separator: ", ")). There are \(known.sorted().joined(separator: ", ")).")
        throw ExitCode(1)
    }

    func values() throws -> [String: JSONValue] {
        var values: [String: JSONValue] = [:]
        for pair in set {
            guard let mark = pair.firstIndex(of: "="), mark > pair.startIndex else {
                throw ValidationError("--set takes key=value, as in cache_ttl=300; got '\(pair)'.")
            }
            values[String(pair[..<mark])] = JSONValue.typed(String(pair[pair.index(after: mark)...]))
        }
        return values
    }
}
