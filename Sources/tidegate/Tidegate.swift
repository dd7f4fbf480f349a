import ArgumentParser
import Foundation
import TidegateNode
import TidegateTools

/// The one binary.
@main
struct Tidegate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tidegate",
        abstract: "A self-hosted AI gateway: proxies calls to AI providers and keeps every one of them as a log row.",
        version: TidegateVersion.current,
        subcommands: [
            ServeCommand.self, AuditCommand.self, CoordCommand.self, CertsCommand.self, TryEntriesCommand.self,
            MeasureCommand.self,
            BenchStorageCommand.self,
        ]
            + ToolCommands.all)

    /// Commands that scripts may already call: told apart from a slip of the pen.
    private static let unbuilt = ["load", "drill", "doctor"]

    static func main() async {
        if let name = CommandLine.arguments.dropFirst().first, unbuilt.contains(name) {
            FileHandle.standardError.write(
                Data("tidegate \(name): not part of this version; it comes with its own issue.\n".utf8))
            Foundation.exit(2)
        }
        await main(nil)
    }
}
