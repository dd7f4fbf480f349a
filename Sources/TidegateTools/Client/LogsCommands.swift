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
        subcommands: [List.self, Get.self, Request.self, Response.self, Patch.self, Feedback.self, Delete.self])
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
            connection.print(result) { _ in "changed \(id)" }
        }

        func body() throws -> JSONValue {
            var body: [String: JSONValue] = [:]
            body["feedback"] = try number(feedback, -1...1, "--feedback")
            body["score"] = try number(score, 0...100, "--score")
            var entries = SettingOptions()
            entries.set = metadata
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
            connection.print(result) { _ in "changed \(id)" }
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Deletes the oldest rows that match, at most 10000 a call.")
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var place: GatewayOption
        @Option(help: ArgumentHelp("Condition; repeat for more.", valueName: "'key op value'"))
        var filter: [LogFilterArgument] = []
        @Flag(help: "Every row: needed when there is no filter.") var all = false
        @Option(help: "Rows at most.") var limit = 10_000

        func validate() throws {
            if filter.isEmpty, !all { throw ValidationError("Give --filter, or --all to delete every row.") }
            guard (1...10_000).contains(limit) else { throw ValidationError("--limit must be 1 to 10000.") }
        }

        func run() async throws {
            let query =
                LogFilterArgument.query(filter) + [
                    ("limit", "\(limit)"), ("order_by", "created_at"), ("order_by_direction", "asc"),
                ]
            let (_, envelope) = try await connection.client().call(.delete, place.logs, query: query)
            connection.print(envelope) { _ in "deleted" }
        }
    }
}
