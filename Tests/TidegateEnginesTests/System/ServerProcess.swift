import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import TidegateCore

/// A server that a test starts. It ends with the test's process, however that ends: a shell between the two waits for its
/// standard input to close.
final class ServerProcess: Sendable {
    let pid: pid_t
    private let shell = Process()
    private let input = Pipe()

    /// - Parameters:
    ///   - log: file for what the server prints.
    ///   - url: asked until there is an answer of any status.
    init(_ command: [String], log: String, until url: String) async throws {
        let output = Pipe()
        shell.executableURL = URL(fileURLWithPath: "/bin/sh")
        shell.arguments =
            [
                "-c", #"log=$1; shift; "$@" >"$log" 2>&1 </dev/null & pid=$!; echo $pid; read -r _; kill -9 $pid"#,
                "sh", log,
            ] + command
        shell.standardInput = input
        shell.standardOutput = output
        try shell.run()
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        pid = pid_t(line.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
        // Many start at once on few cores: a bounded wait, because nothing but an answer tells that it serves.
        for _ in 0..<1_000 where pid != 0 && kill(pid, 0) == 0 {
            if (try? await HTTPClient.shared.get(url: url, deadline: .now() + .seconds(1)).get()) != nil { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
        stop()
        throw TidegateError(.unavailable, "\(command[0]) did not start:\n\(text.suffix(2_000))")
    }

    deinit { stop() }

    /// SIGSTOP and SIGCONT: a server that is there and says nothing.
    func pause() { kill(pid, SIGSTOP) }
    func resume() { kill(pid, SIGCONT) }

    func stop() {
        guard shell.isRunning else { return }
        kill(pid, SIGCONT)
        try? input.fileHandleForWriting.close()
        shell.waitUntilExit()
    }

    /// A port that was free a moment ago.
    static func freePort() throws -> UInt16 {
        let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, length) == 0 && getsockname(socket, $0, &length) == 0
            }
        }
        guard isBound else { throw TidegateError(.unavailable, "No port is free.") }
        return UInt16(bigEndian: address.sin_port)
    }
}
