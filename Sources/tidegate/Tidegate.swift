import ArgumentParser
import TidegateNode
import TidegateTools

/// The one binary.
@main
struct Tidegate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tidegate",
        abstract: "A self-hosted AI gateway: proxies calls to AI providers and keeps every one of them as a log row.",
        version: TidegateVersion.current,
        subcommands: [ServeCommand.self] + ToolCommands.all)
}
