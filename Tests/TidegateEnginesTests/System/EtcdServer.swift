import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import TidegateCore

/// A real etcd of one member on loopback, with a directory of its own.
final class EtcdServer {
    let endpoint: String
    private let process = Process()
    private let directory: TemporaryDirectory

    static let path = ["/usr/bin/etcd", "/usr/local/bin/etcd"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    /// Returns when it answers.
    init() async throws {
        guard let path = Self.path else {
            throw TidegateError(.unavailable, "etcd is not installed: make deps")
        }
        directory = try TemporaryDirectory()
        let (client, peer) = (try Self.freePort(), try Self.freePort())
        endpoint = "http://127.0.0.1:\(client)"
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = [
            "--data-dir", directory.path + "/data", "--listen-client-urls", endpoint, "--advertise-client-urls",
            endpoint,
            "--listen-peer-urls", "http://127.0.0.1:\(peer)", "--initial-advertise-peer-urls",
            "http://127.0.0.1:\(peer)", "--initial-cluster", "default=http://127.0.0.1:\(peer)",
            "--logger", "zap", "--log-outputs", directory.path + "/log",
        ]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        // Many start at once on few cores: a bounded wait, because nothing but an answer tells that it serves.
        for _ in 0..<1_000 where process.isRunning {
            let health = try? await HTTPClient.shared.get(url: endpoint + "/health", deadline: .now() + .seconds(1))
                .get()
            if health?.status == .ok { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        let log = (try? String(contentsOfFile: directory.path + "/log", encoding: .utf8)) ?? ""
        stop()
        throw TidegateError(.unavailable, "etcd did not start:\n\(log.suffix(2_000))")
    }

    deinit { stop() }

    /// SIGSTOP and SIGCONT: a member that is there and says nothing.
    func pause() { kill(process.processIdentifier, SIGSTOP) }
    func resume() { kill(process.processIdentifier, SIGCONT) }

    func stop() {
        guard process.isRunning else { return }
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// A port that was free a moment ago.
    private static func freePort() throws -> UInt16 {
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
