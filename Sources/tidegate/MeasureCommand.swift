import ArgumentParser
import Foundation
import Logging
import TidegateCore
import TidegateNode

/// Figures of parts of a node. `scripts/bench-slots.sh` calls those of the storage engine with servers of its own.
struct MeasureCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "measure",
        abstract: "Measure parts of a node: the storage engine (scripts/bench-slots.sh), calls between nodes.",
        shouldDisplay: false, subcommands: [Insert.self, Gateways.self, Peers.self, PeersReceiver.self])

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

    struct Peers: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "CPU of a row on its way between two nodes, on each side: this process sends to a child of it.")
        @Option(help: "Rows a second (default: as fast as they are answered).") var rate: Int?
        @Option(help: "Rows to send.") var rows = 50_000
        @Option(help: "Bytes of a row.") var rowBytes = 2_048
        @Option(help: "Gateways that the rows belong to: a batch is of one.") var gateways = 1
        @Option(help: "Milliseconds after which a batch is committed.") var commit = 50
        @Flag(help: "Without TLS.") var plaintext = false

        func run() async throws {
            try await CommandFailure.reporting(mendable: []) {
                let measure = PeerBenchmark(
                    rowsPerSecond: rate, rows: rows, rowBytes: rowBytes, gateways: gateways, isEncrypted: !plaintext,
                    commitMilliseconds: commit)
                try print(await measure.run())
            }
        }
    }

    struct PeersReceiver: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: PeerBenchmark.receiverCommand, abstract: "The other end of `peers` (started by it).",
            shouldDisplay: false)
        func run() async throws { try await PeerBenchmark.receive() }
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
