import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import Synchronization
import TidegateCore
import TidegateEngines

/// A server that a test starts. It ends with the test's process, however that ends: a shell between the two waits for its
/// standard input to close.
final class ServerProcess: Sendable {
    private let shell: ChildProcess
    let pid: pid_t
    /// A line, or its end, ends the server.
    private let line: Int32
    private let isStopped = Mutex(false)

    /// - Parameters:
    ///   - log: file for what the server prints.
    ///   - url: asked until there is an answer of any status.
    init(_ command: [String], log: String, until url: String) async throws {
        var (input, output): ([Int32], [Int32]) = ([0, 0], [0, 0])
        guard pipe(&input) == 0, pipe(&output) == 0 else {
            throw TidegateError(.unavailable, "No pipe is to be had.")
        }
        for end in input + output { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        // Ends with the server, or ends it when its input does.
        let script = """
            exec 3<&0; log=$1; shift; "$@" >"$log" 2>&1 </dev/null 3<&- & pid=$!; echo $pid
            { read -r _ <&3; kill -9 $pid; } >/dev/null 2>&1 &
            wait $pid
            """
        shell = try ChildProcess(["/bin/sh", "-c", script, "sh", log] + command, input: input[0], output: output[1])
        close(input[0])
        close(output[1])
        line = input[1]
        var digits = [UInt8](repeating: 0, count: 32)
        let count = read(output[0], &digits, digits.count)
        close(output[0])
        pid = pid_t(String(decoding: digits.prefix(max(count - 1, 0)), as: UTF8.self)) ?? 0
        // Many start at once on few cores: a bounded wait, because nothing but an answer tells that it serves.
        for _ in 0..<1_000 where pid != 0 && shell.isRunning {
            if (try? await HTTPClient.shared.get(url: url, deadline: .now() + .seconds(1)).get()) != nil { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
        stop()
        throw TidegateError(.unavailable, "\(command[0]) did not start:\n\(text.suffix(2_000))")
    }

    deinit { stop() }

    /// SIGSTOP and SIGCONT: a server that is there and says nothing.
    /// Returns once every thread stands still: until then the server may answer another call.
    func pause() {
        kill(pid, SIGSTOP)
        for _ in 0..<2_000 where !stands { usleep(1_000) }
    }

    private var stands: Bool {
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
        return tasks.allSatisfy { task in
            // `pid (name) state …`; the name may hold anything.
            let text = try? String(contentsOfFile: "/proc/\(pid)/task/\(task)/stat", encoding: .utf8)
            return text?.split(separator: ")").last?.first { $0 != " " } == "T"
        }
    }

    func resume() { kill(pid, SIGCONT) }

    func stop() {
        let isFirst = isStopped.withLock { isStopped in
            defer { isStopped = true }
            return !isStopped
        }
        guard isFirst else { return }
        if pid != 0 { kill(pid, SIGCONT) }
        // A line, because another child may have been made just then and hold the pipe open.
        _ = write(line, "\n", 1)
        close(line)
        shell.wait()
    }

    /// Makes a server, with other ports when the ones it was given were taken meanwhile.
    static func retrying<Server>(_ make: () async throws -> Server) async throws -> Server {
        for _ in 0..<4 { if let server = try? await make() { return server } }
        return try await make()
    }

    /// A port that was free a moment ago, and so was the one 10000 above it; below those that connections are given.
    static func freePort() throws -> UInt16 {
        for _ in 0..<200 {
            let port = UInt16.random(in: 11_000..<22_000)
            if isFree(port), isFree(port + 10_000) { return port }
        }
        throw TidegateError(.unavailable, "No port is free.")
    }

    private static func isFree(_ port: UInt16) -> Bool {
        let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
