import ArgumentParser
import Foundation
import Logging
import TidegateCore
import TidegateNode
import TidegateTelemetry

struct AuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "Walk both stores of an installation and test the protocol's invariants.",
        discussion: """
            Reads only, and may be run while nodes are running: it reads the authority, every object that a snapshot or \
            the log names, and builds every database again from the older snapshot and the log. Exits 0 when all \
            invariants hold, 1 when one does not, 78 when the stores cannot be opened.
            """)

    @OptionGroup var stores: StoreOptions
    @Flag(help: "Print JSON instead of a table.")
    var json = false

    func run() async throws {
        try await stores.reporting {
            let settings = try stores.settings()
            let installation = try await Installation.reading(settings, logger: Logger(label: "tidegate"))
            let isQuiet = json
            let audit = try await installation.audit { step in
                if !isQuiet { FileHandle.standardError.write(Data("auditing \(step)\n".utf8)) }
            }
            FileHandle.standardOutput.write(Data(((json ? audit.json : audit.text) + "\n").utf8))
            if !audit.holds { throw ExitCode(1) }
        }
    }
}

/// Which installation a command is about.
struct StoreOptions: ParsableArguments {
    @Option(help: "Coordination store: embedded, or etcd:http://HOST:PORT,… (with --store s3:…).")
    var coordination: String?
    @Option(help: "Object store: file, or s3:http://HOST:PORT/BUCKET; credentials from TIDEGATE_S3_….")
    var store: String?
    @Option(help: "State directory of a node with embedded stores (default: tidegate-state).")
    var state: String?
    @Option(help: "YAML file with settings (default: none).")
    var config: String?

    func settings() throws -> ServeSettings {
        var sources = SettingSources()
        if let config {
            guard let yaml = try? String(contentsOfFile: config, encoding: .utf8) else {
                throw TidegateError(
                    .invalidConfiguration, "\(config) cannot be read: check the path given by --config.")
            }
            try sources.read(yaml: yaml, file: config)
        }
        try sources.read(environment: ProcessInfo.processInfo.environment)
        sources.set(.coordination, flag: "coordination", coordination)
        sources.set(.store, flag: "store", store)
        sources.set(.state, flag: "state", state)
        return try ServeSettings(sources)
    }

    /// Runs a command's work; what goes wrong is said in one or two lines.
    func reporting(_ work: () async throws -> Void) async throws {
        LogSetup.bootstrap(level: .warning)
        try await CommandFailure.reporting(mendable: [.invalidConfiguration, .notFound, .conflict], work)
    }
}
