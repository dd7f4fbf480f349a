package import ArgumentParser
internal import TidegateCore

/// `tidegate logs`.
package struct LogsCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "logs", abstract: "Lists, reads, rates and deletes a gateway's log rows.",
        discussion: """
            A filter is 'KEY OPERATOR VALUE': keys as in the API (provider, model, success, status_code, tokens,
            cost, duration, event_id, metadata.key, created_at, …), operators eq, neq, contains, lt, gt; several values
            with commas are alternatives, several filters must all hold.
            """,
        subcommands: [
            List.self, Export.self, Get.self, Request.self, Response.self, Patch.self, Feedback.self, Delete.self,
        ])
    package init() {}

    struct Get: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "One row with the beginnings of its bodies.")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var place: GatewayOption
        @Argument var id: String
        func run() async throws {
            let (result, _) = try await connection.client().call(.get, place.logs + [id])
            connection.print(result, table: TextTable.fields)
        }
    }

    struct Request: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "The stored request body, as it was sent.")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var place: GatewayOption
        @Argument var id: String
        func run() async throws {
            Console.raw(try await connection.client().raw("/client/v4", place.logs + [id, "request"]).bytes)
        }
    }

    struct Response: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "The stored response body, as it came.")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var place: GatewayOption
        @Argument var id: String
        func run() async throws {
            Console.raw(try await connection.client().raw("/client/v4", place.logs + [id, "response"]).bytes)
        }
    }

    struct Patch: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Rates a row or changes its metadata.")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var place: GatewayOption
        @Argument var id: String
        @Option(parsing: .unconditional, help: "From -1 to 1, or none.") var feedback: String?
        @Option(help: "From 0 to 100, or none.") var score: String?
        @Option(help: ArgumentHelp("A metadata entry; repeat for more.", valueName: "key=value"))
        var metadata: [String] = []

        func validate() throws { _ = try body() }

        func run() async throws {
            let (result, _) = try await connection.client().call(.patch, place.logs + [id], body: body())
            connection.print(result) { LogsCommand.told($0, id) }
        }

        func body() throws -> JSONValue {
            var body: [String: JSONValue] = [:]
            body["feedback"] = try number(feedback, -1...1, "--feedback")
            body["score"] = try number(score, 0...100, "--score")
            var entries = SettingOptions()
            entries.set = metadata
            if let odd = metadata.first(where: { !$0.dropFirst().contains("=") }) {
                throw ValidationError("--metadata takes key=value, as in reviewer=ana; got '\(odd)'.")
            }
            if !metadata.isEmpty { body["metadata"] = .object(try entries.values()) }
            guard !body.isEmpty else {
                throw ValidationError("Say what to change: --feedback, --score or --metadata key=value.")
            }
            return .object(body)
        }

        private func number(_ text: String?, _ range: ClosedRange<Double>, _ flag: String) throws -> JSONValue? {
            guard let text else { return nil }
            if text == "none" { return .null }
            guard let number = Double(text), range.contains(number) else {
                throw ValidationError("\(flag) must be from \(range.lowerBound) to \(range.upperBound), or none.")
            }
            return number == number.rounded() ? .integer(Int64(number)) : .number(number)
        }
    }

    struct Feedback: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Thumbs up or down: a short form of patch.")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var place: GatewayOption
        @Argument var id: String
        @Argument(help: "up, down or none.") var thumb: Thumb
        enum Thumb: String, ExpressibleByArgument, CaseIterable { case up, down, none }

        func run() async throws {
            let value: JSONValue =
                switch thumb {
                case .up: .integer(1)
                case .down: .integer(-1)
                case .none: .null
                }
            let (result, _) = try await connection.client()
                .call(.patch, place.logs + [id], body: .object(["feedback": value]))
            connection.print(result) { LogsCommand.told($0, id) }
        }
    }

    /// A change to a row that is not known is kept until the row comes, if it ever does.
    private static func told(_ result: JSONValue, _ id: String) -> String {
        result["state"]?.text == "waiting"
            ? "no row \(id) yet: the change is kept and joins the row when it comes" : "changed \(id)"
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Deletes the oldest rows that match: all of them, or as many as --limit says.")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var place: GatewayOption
        @Option(
            help: ArgumentHelp("Condition; repeat for more.", valueName: "'key op value'"),
            transform: LogFilterArgument.read)
        var filter: [LogFilterArgument] = []
        @Flag(help: "Every row: needed when there is no filter.") var all = false
        @Option(help: "Rows at most (default: all that match).") var limit: Int?

        /// Rows of one call to the API.
        private static let batchMax = 10_000

        func validate() throws {
            if filter.isEmpty, !all { throw ValidationError("Give --filter, or --all to delete every row.") }
            if let limit, limit < 1 { throw ValidationError("--limit must be 1 or more.") }
        }

        func run() async throws {
            let client = try connection.client()
            var deleted = 0
            while deleted < limit ?? .max {
                let batch = min(Self.batchMax, (limit ?? .max) - deleted)
                let query =
                    LogFilterArgument.query(filter) + [
                        ("limit", "\(batch)"), ("order_by", "created_at"), ("order_by_direction", "asc"),
                    ]
                let (result, _) = try await client.call(.delete, place.logs, query: query)
                let gone = result["deleted"]?.count ?? 0
                deleted += gone
                if gone < batch { break }
                if !connection.json { Console.error("\(deleted) rows deleted so far") }
            }
            connection.print(.object(["deleted": .integer(Int64(deleted))])) { _ in "\(deleted) rows deleted" }
        }
    }
}
