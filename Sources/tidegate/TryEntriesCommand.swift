import ArgumentParser
import TidegateNode

/// Started by a node, for itself: applies the entries of one log object where a crash does no harm.
struct TryEntriesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: GuardTrial.command, abstract: "Try log entries (started by a node).", shouldDisplay: false)

    @Argument(help: "Places to leave out.")
    var skipped: [String] = []

    func run() throws { try GuardTrial.run(skipping: skipped) }
}
