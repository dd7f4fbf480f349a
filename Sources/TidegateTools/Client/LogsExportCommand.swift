internal import ArgumentParser
internal import Foundation
internal import TidegateCore

extension LogsCommand {
    /// `tidegate logs export`.
    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Every row that matches, oldest first, one JSON object a line.",
            discussion: """
                Rows go to stdout, progress and the place to go on from go to stderr. Rows that come meanwhile are \
                exported, too. After a failure, run the same command with --cursor to append the rest.
                """)
        @OptionGroup var connection: ConnectionOptions
        @OptionGroup var place: GatewayOption
        @Option(
            help: ArgumentHelp("Condition; repeat for more.", valueName: "'key op value'"),
            transform: LogFilterArgument.read)
        var filter: [LogFilterArgument] = []
        @Flag(help: "With request_body and response_body, as text; one more call a body.") var bodies = false
        @Option(help: "Where an earlier export ended.") var cursor: String?

        /// Progress is told after so many rows.
        private static let progressRows = 5_000

        func run() async throws {
            let client = try connection.client()
            let query =
                LogFilterArgument.query(filter) + [("order_by", "created_at"), ("order_by_direction", "asc")]
            var (rows, place) = (0, cursor)
            do {
                try await client.pages(self.place.logs, query: query, perPage: 50, from: cursor) { items, next in
                    for item in items { Console.out(try await line(item, client)) }
                    (rows, place) = (rows + items.count, next ?? place)
                    if rows % Self.progressRows < items.count { Console.error("\(rows) rows so far") }
                    return true
                }
            } catch {
                let rest = place.map { "; the rest with --cursor \($0)" } ?? ""
                Console.error("ended after \(rows) rows\(rest)")
                throw error
            }
            Console.error("\(rows) rows exported")
        }

        private func line(_ row: JSONValue, _ client: ManagementClient) async throws -> String {
            guard bodies, let id = row["id"]?.text else { return row.compactText }
            var fields = row.fields
            for part in ["request", "response"] {
                let body = try await client.body(self.place.logs + [id, part])
                fields[part + "_body"] = body.map { .string(String(decoding: $0, as: UTF8.self)) } ?? .null
                fields[part] = nil  // empty in lists
            }
            return JSONValue.object(fields).compactText
        }
    }
}
