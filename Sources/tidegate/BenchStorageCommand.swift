import ArgumentParser
import TidegateNode

/// For `scripts/bench-storage.sh`.
struct BenchStorageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench-storage", abstract: "Measure a gateway's object with many rows.", shouldDisplay: false)

    @Option(help: "Folder for everything; must not be there yet.")
    var folder: String
    @Option(help: "Rows to make, at least 100000.")
    var rows = 1_000_000
    @Option(help: "Bytes of both bodies of a row.")
    var bodyBytes = 0
    @Flag(help: "Index the words of sealed bodies, and search them.")
    var fullText = false

    func run() async throws {
        var benchmark = try StorageBenchmark(folder: folder, rows: rows, bodyBytes: bodyBytes, isFullText: fullText)
        try await benchmark.run()
    }
}
