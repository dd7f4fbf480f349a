import ArgumentParser
import Foundation
import Logging
import TidegateCore
import TidegateNode

struct CoordCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "coord", abstract: "Mend the coordination store.", subcommands: [Adopt.self])

    struct Adopt: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Go on after the coordination store was restored from a backup.",
            discussion: """
                Every log object names its predecessor by checksum, so that the log can be followed to its true end, \
                behind what the backup knows. Each slot's head moves there, every epoch grows, and a new generation \
                begins, in which no name of the lost time can be used again. No node may run. Accounts, gateways, tokens \
                and settings are those of the backup; --dry-run says what else is known to be lost.
                """)

        @OptionGroup var stores: StoreOptions
        @Option(name: .customLong("new-generation"), help: "Number of the new generation (default: the next).")
        var generation: Int?
        @Flag(help: "Only say what would be done.")
        var dryRun = false
        @Flag(help: "Print JSON instead of a table.")
        var json = false

        func run() async throws {
            try await stores.reporting {
                let isQuiet = json
                let adopted = try await Installation.adopt(
                    try stores.settings(), generation: generation, isDryRun: dryRun, logger: Logger(label: "tidegate")
                ) { step in
                    if !isQuiet { FileHandle.standardError.write(Data("adopting: \(step)\n".utf8)) }
                }
                FileHandle.standardOutput.write(Data(((json ? adopted.json : adopted.text) + "\n").utf8))
            }
        }
    }
}
