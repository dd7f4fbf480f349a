internal import ArgumentParser
internal import TidegateCore

extension LogsCommand {
    /// `tidegate logs list`.
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The newest rows; with --follow, also those that come.")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var place: GatewayOption
        @Option(
            help: ArgumentHelp("Condition; repeat for more.", valueName: "'key op value'"),
            transform: LogFilterArgument.read)
        var filter: [LogFilterArgument] = []
        @Option(help: "Text in path, model, provider, event id, metadata or log id.") var search: String?
        @Option(help: "Words in bodies.") var bodySearch: String?
        @Option(help: "Rows at most.") var limit = 20
        @Flag(help: "Oldest first.") var ascending = false
        @Flag(help: "Keep printing new rows until Ctrl-C.") var follow = false

        func validate() throws {
            guard (1...1_000_000).contains(limit) else { throw ValidationError("--limit must be 1 to 1000000.") }
            if follow, ascending { throw ValidationError("--follow shows the newest rows: leave --ascending out.") }
        }

        static let table = TextTable(columns: [
            .init("TIME", "created_at"), .init("ID", "id"), .init("PROVIDER", "provider"), .init("MODEL", "model"),
            .init("STATUS", "status_code"), .init("MS", "duration"), .init("IN", "tokens_in"),
            .init("OUT", "tokens_out"), .init("USD", "cost"),
        ])

        func run() async throws {
            let client = try connection.client()
            if follow { return try await keepPrinting(client) }
            let rows = try await newest(client, limit: limit)
            connection.print(.array(rows)) { _ in Self.table.render(rows, empty: "no rows") }
        }

        private func newest(_ client: ManagementClient, limit: Int) async throws -> [JSONValue] {
            var query = LogFilterArgument.query(filter)
            if let search { query.append(("search", search)) }
            if let bodySearch { query.append(("body_search", bodySearch)) }
            query.append(("order_by", "created_at"))
            query.append(("order_by_direction", ascending ? "asc" : "desc"))
            return try await client.allByCursor(place.logs, query: query, perPage: min(50, limit), limit: limit)
        }

        /// Rows that one round may show: a busier log is told, not shown whole.
        private static let followRowsMax = 500

        /// New is what the window of newest rows did not hold a round ago.
        private func keepPrinting(_ client: ManagementClient) async throws {
            let first = try await newest(client, limit: max(limit, Self.followRowsMax))
            show(first.prefix(limit).reversed(), withTitles: true)
            var seen = Self.ids(first)
            while !Task.isCancelled {
                try await Task.sleep(for: .seconds(1))
                let window = try await newest(client, limit: Self.followRowsMax)
                let new = window.filter { !seen.contains($0["id"]?.text ?? "") }
                if new.count == Self.followRowsMax {
                    Console.error("more than \(Self.followRowsMax) new rows in a second; some are not shown")
                }
                show(new.reversed(), withTitles: false)
                seen = Self.ids(window)
            }
        }

        private static func ids(_ rows: [JSONValue]) -> Set<String> { Set(rows.compactMap { $0["id"]?.text }) }

        private func show(_ rows: [JSONValue], withTitles: Bool) {
            guard !rows.isEmpty else { return }
            if connection.json {
                for row in rows { Console.out(row.compactText) }
            } else {
                Console.out(Self.table.render(rows, empty: "", showsTitles: withTitles))
            }
        }
    }
}
