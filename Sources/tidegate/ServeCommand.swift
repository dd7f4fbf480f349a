import ArgumentParser
import Foundation
import Logging
import Metrics
import TidegateCore
import TidegateNode
import TidegateTelemetry

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Run a node.",
        discussion: """
            Settings come from defaults, a YAML file, TIDEGATE_… environment variables and these flags, the later ones \
            winning. When the node takes calls it prints one line that begins with "tidegate ready"; logs go to stderr. \
            SIGTERM and SIGINT drain and stop, a second one stops at once, SIGHUP reads the file again.
            """)

    @Option(help: "YAML file with settings (default: tidegate.yaml here, if there is one).")
    var config: String?
    @Option(help: "Public address (default: 127.0.0.1:8787); port 0 picks a free one.")
    var listen: String?
    @Option(help: "State directory (default: tidegate-state).")
    var state: String?
    @Option(name: .customLong("node-id"), help: "Stable name of this node (default: n1).")
    var nodeID: String?
    @Option(help: "Region of this node (default: local).")
    var region: String?
    @Option(help: "Address for other nodes, TCP and UDP (default: 127.0.0.1:8788); on shared engines only.")
    var peerListen: String?
    @Option(help: "Where other nodes reach this one, if not where it listens.")
    var peerAdvertise: String?
    @Option(help: "Peer addresses of other nodes to gossip with, HOST:PORT,…; on shared engines only.")
    var join: String?
    @Option(help: "Coordination store: embedded, or etcd:http://HOST:PORT,… (with --store s3:…; several nodes).")
    var coordination: String?
    @Option(help: "Object store: file, or s3:http://HOST:PORT/BUCKET.")
    var store: String?
    @Option(name: .customLong("provider"), help: "Where a provider is reached, SLUG=BASE_URL; may be repeated.")
    var providers: [String] = []
    @Option(help: "What captured rows survive: process (SIGKILL) or power (default: process).")
    var capture: String?
    @Option(help: "PEM certificate chain; the public port speaks TLS then.")
    var tlsCertificate: String?
    @Option(help: "PEM private key of the certificate.")
    var tlsKey: String?
    @Option(help: "CSV file with prices that replace or add to the bundled ones.")
    var prices: String?
    @Option(help: "Threads of the data plane (default: one a core).")
    var eventLoops: String?
    @Option(help: "trace, debug, info, notice, warning, error or critical (default: info).")
    var logLevel: String?
    @Flag(help: "Do not make the account and gateway 'default' at the first start.")
    var noDefaultAccount = false
    @Flag(help: "Allow the outbox on a container's own layer, where rows die with the container.")
    var ephemeralOutbox = false

    func run() async throws {
        try await CommandFailure.reporting(mendable: [.invalidConfiguration]) {
            let settings = try load()
            LogSetup.bootstrap(level: Logger.Level(rawValue: settings.logLevel) ?? .info)
            let registry = PrometheusRegistry()
            MetricsSystem.bootstrap(registry)
            let logger = Logger(label: "tidegate")
            let node = try await Node.start(settings, registry: registry, logger: logger)
            try await NodeSignals(node: node, logger: logger).run(reload: load) {
                FileHandle.standardOutput.write(Data((node.readyLine + "\n").utf8))
            }
        }
    }

    private func load() throws -> ServeSettings {
        var sources = SettingSources()
        let file = config ?? "tidegate.yaml"
        if config != nil || FileManager.default.fileExists(atPath: file) {
            guard let yaml = try? String(contentsOfFile: file, encoding: .utf8) else {
                throw TidegateError(.invalidConfiguration, "\(file) cannot be read: check the path given by --config.")
            }
            try sources.read(yaml: yaml, file: file)
        }
        try sources.read(environment: ProcessInfo.processInfo.environment)
        let flags: [(SettingName, String, String?)] = [
            (.listen, "listen", listen), (.state, "state", state), (.nodeID, "node-id", nodeID),
            (.region, "region", region), (.peerListen, "peer-listen", peerListen),
            (.peerAdvertise, "peer-advertise", peerAdvertise), (.join, "join", join),
            (.coordination, "coordination", coordination), (.store, "store", store), (.capture, "capture", capture),
            (.tlsCertificate, "tls-certificate", tlsCertificate), (.tlsKey, "tls-key", tlsKey),
            (.prices, "prices", prices), (.eventLoops, "event-loops", eventLoops), (.logLevel, "log-level", logLevel),
            (.defaultAccount, "no-default-account", noDefaultAccount ? "false" : nil),
            (.ephemeralOutbox, "ephemeral-outbox", ephemeralOutbox ? "true" : nil),
        ]
        for (name, flag, text) in flags { sources.set(name, flag: flag, text) }
        for pair in providers { try sources.setProvider(pair, origin: "flag --provider") }
        return try ServeSettings(sources)
    }
}
