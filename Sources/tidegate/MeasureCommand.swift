import ArgumentParser
import Foundation
import Logging
import TidegateCore
import TidegateNode

/// Figures of the storage engine; `scripts/bench-slots.sh` calls it with servers of its own.
struct MeasureCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "measure", abstract: "Measure the storage engine (used by scripts/bench-slots.sh).",
        shouldDisplay: false, subcommands: [Insert.self, Gateways.self])

    struct Insert: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Rows into one object as fast as it takes them, then a take-over of its slot.")
        @OptionGroup var stores: StoreOptions
        @Option(help: "Rows to insert.") var rows = 200_000
        @Option(help: "Rows of log behind the newest snapshot at the take-over.") var tail = 50_000

        func run() async throws {
            try await stores.reporting {
                let measure = SlotBenchmark(try stores.settings(), logger: Logger(label: "measure"))
                try print(await measure.insertAndTakeOver(rows: rows, tailRows: tail))
            }
        }
    }

    struct Gateways: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Memory while many gateways are held and a few used.")
        @OptionGroup var stores: StoreOptions
        @Option(help: "Gateways.") var gateways = 1_000
        @Option(help: "Gateways in use.") var active = 50
        @Option(help: "Rows of each.") var rows = 20

        func run() async throws {
            try await stores.reporting {
                let measure = SlotBenchmark(try stores.settings(), logger: Logger(label: "measure"))
                try print(await measure.holding(gateways: gateways, active: active, rowsEach: rows))
            }
        }
    }

    fileprivate static func text(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
}

private func print(_ value: some Encodable) throws {
    FileHandle.standardOutput.write(Data((try MeasureCommand.text(value) + "\n").utf8))
}
