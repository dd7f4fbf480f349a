package import ArgumentParser
internal import Foundation
internal import TidegateCore

/// Where a node is and what opens it: shared by all management commands.
package struct ConnectionOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Base URL of a node.", discussion: "Default: $TIDEGATE_TARGET, else http://127.0.0.1:8787.",
            valueName: "url"))
    package var target: String?
    @Option(
        help: ArgumentHelp(
            "API token.",
            discussion: "Default: --token-file, else $TIDEGATE_ADMIN_TOKEN. Others on this machine can see "
                + "command lines: prefer a file.", valueName: "token"))
    package var token: String?
    @Option(help: ArgumentHelp("File whose first line is the API token.", valueName: "file"))
    package var tokenFile: String?
    @Option(
        help: ArgumentHelp(
            "PEM file of the authority that signed the node's certificate.", discussion: "Default: $TIDEGATE_CA.",
            valueName: "file"))
    package var ca: String?
    @Flag(help: "Print JSON instead of a table.")
    package var json = false

    package init() {}

    package func validate() throws {
        if token != nil, tokenFile != nil { throw ValidationError("Give --token or --token-file, not both.") }
        _ = try base(environment: ProcessInfo.processInfo.environment)
    }

    /// Without a slash at its end.
    package func base(environment: [String: String]) throws -> String {
        let text = target ?? environment["TIDEGATE_TARGET"] ?? "http://127.0.0.1:8787"
        guard let url = URL(string: text), ["http", "https"].contains(url.scheme ?? ""), url.host != nil else {
            throw ValidationError("The target must be a URL such as http://127.0.0.1:8787, not '\(text)'.")
        }
        return text.hasSuffix("/") ? String(text.dropLast()) : text
    }

    package func secret(environment: [String: String]) throws -> String? {
        if let token { return token }
        if let tokenFile {
            guard let text = try? String(contentsOfFile: tokenFile, encoding: .utf8) else {
                throw ValidationError(
                    "Cannot read the token file \(tokenFile). Is the path right, and may you read it?")
            }
            let line = text.split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
            guard !line.isEmpty else { throw ValidationError("The token file \(tokenFile) is empty.") }
            return line
        }
        return environment["TIDEGATE_ADMIN_TOKEN"].flatMap { $0.isEmpty ? nil : $0 }
    }

    func client() throws -> ManagementClient {
        let environment = ProcessInfo.processInfo.environment
        return ManagementClient(
            base: try base(environment: environment), token: try secret(environment: environment),
            authority: ca ?? environment["TIDEGATE_CA"])
    }

    func print(_ value: JSONValue, table: (JSONValue) -> String) {
        Console.out(json ? value.prettyText : table(value))
    }
}
