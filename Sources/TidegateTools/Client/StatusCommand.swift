package import ArgumentParser
internal import Foundation
internal import TidegateCore

/// `tidegate status`: exit code 0 only when every member is alive.
package struct StatusCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "status", abstract: "The cluster at a glance, as one node sees it.",
        discussion: "Exits 0 when the node serves and every member is alive, else 1.")
    @OptionGroup package var connection: ConnectionOptions
    package init() {}

    package func run() async throws {
        let answer = try await connection.client().raw("/status")
        guard let status = try? JSONDecoder().decode(JSONValue.self, from: answer.bytes) else {
            Console.error("/status is not JSON. Is this a Tidegate node?")
            throw ExitCode(1)
        }
        connection.print(status, table: Self.table)
        if !Self.isHealthy(status) { throw ExitCode(1) }
    }

    static func isHealthy(_ status: JSONValue) -> Bool {
        status["state"]?.text == "serving"
            && (status["members"]?.items ?? []).allSatisfy { $0["state"]?.text == "alive" }
    }

    static func table(_ status: JSONValue) -> String {
        var own = status.fields
        own["state"] = status["state"]
        let members = [JSONValue.object(own)] + (status["members"]?.items ?? []).filter { $0["node"] != status["node"] }
        let nodes = TextTable(columns: [.init("NODE", "node"), .init("REGION", "region"), .init("STATE", "state")])
        let slots = TextTable(columns: [
            .init("SLOT", "slot"), .init("EPOCH", "epoch"), .init("N", "n"), .init("GATEWAYS", "gateways"),
        ])
        func engine(_ key: String) -> String {
            let reachable = status[key]?["reachable"] == .bool(true) ? "reachable" : "NOT reachable"
            return "\(status[key]?["kind"]?.cell ?? "-"), \(reachable)"
        }
        let outbox = status["outbox"] ?? .null
        return """
            \(nodes.render(members, empty: ""))

            \(slots.render(status["slots"]?.items ?? [], empty: "no slots"))

            outbox        \(outbox["pending"]?.cell ?? "-") pending of \(outbox["captured"]?.cell ?? "-") captured
            coordination  \(engine("coordination"))
            store         \(engine("store"))
            """
    }
}
