import ArgumentParser
import Foundation
import TidegateCore
import TidegateNode

/// The cluster's own certificates and its gossip key.
struct CertsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "certs", abstract: "Make the private authority of a cluster, and certificates of its nodes.",
        discussion: """
            Nodes of a cluster know each other by certificates of an authority of their own. `init` makes it once, together \
            with the secret of the cluster's gossip; `issue` makes the key and the certificate of one node. Keep the \
            directory where you keep secrets: a node gets ca.pem, gossip.keys and its own two files, never ca.key.
            """, subcommands: [Init.self, Issue.self])

    struct Init: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make an authority and a gossip key: ca.pem, ca.key, gossip.keys.")
        @OptionGroup var target: CertificateOptions
        @Option(help: "Name of the authority, for people.")
        var name = "tidegate"
        @Option(help: "Days that the authority is valid.")
        var days = 3_652

        func run() async throws {
            try await target.reporting {
                var random = SystemRandomNumberGenerator()
                let key = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &random) }
                return try target.folder.makeAuthority(
                    name: name, validity: try CertificateOptions.validity(days: days), gossipKey: key,
                    replaces: target.force)
            }
        }
    }

    struct Issue: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Issue a node's certificate over a fresh key: node-ID.pem, node-ID.key.")
        @OptionGroup var target: CertificateOptions
        @Option(help: "The node's id, as in its nodeId setting.")
        var node: String
        @Option(
            name: .customLong("host"), parsing: .upToNextOption,
            help: "Further names of the node. Peers go by the id; other tools look for these.")
        var hosts: [String] = []
        @Option(help: "Days that the certificate is valid (default: 730, or until the authority ends).")
        var days: Int?

        func run() async throws {
            try await target.reporting {
                try target.folder.issue(
                    node: node, hosts: hosts, validity: try CertificateOptions.validity(days: days ?? 730),
                    isExact: days != nil, replaces: target.force)
            }
        }
    }
}

struct CertificateOptions: ParsableArguments {
    @Option(help: "Directory of the authority.")
    var directory: String
    @Flag(help: "Replace files that are there.")
    var force = false
    @Flag(help: "Print JSON.")
    var json = false

    var folder: CertificateFolder { CertificateFolder(directory) }

    /// Begins an hour ago: clocks of nodes differ.
    static func validity(days: Int) throws(TidegateError) -> Range<Date> {
        guard (1...36_525).contains(days) else {
            throw TidegateError(.invalidRequest, "--days must be between 1 and 36525")
        }
        let now = Date(timeIntervalSinceNow: 0)
        return now.addingTimeInterval(-3_600)..<now.addingTimeInterval(Double(days) * 86_400)
    }

    func reporting(_ work: () throws -> CertificateFolder.Made) async throws {
        try await CommandFailure.reporting(mendable: [.invalidConfiguration, .notFound, .conflict]) {
            let made = try work()
            guard json else {
                let text = made.files.joined(separator: "\n") + "\nvalid until \(made.validUntil.ISO8601Format())\n"
                return FileHandle.standardOutput.write(Data(text.utf8))
            }
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            encoder.dateEncodingStrategy = .iso8601
            FileHandle.standardOutput.write(try encoder.encode(made) + Data("\n".utf8))
        }
    }
}
