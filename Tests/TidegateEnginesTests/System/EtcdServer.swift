import Foundation
import TidegateCore

/// A real etcd of one member on loopback, with a directory of its own.
final class EtcdServer {
    let endpoint: String
    let process: ServerProcess
    private let directory: TemporaryDirectory

    init() async throws {
        guard
            let path = ["/usr/bin/etcd", "/usr/local/bin/etcd"].first(
                where: FileManager.default.isExecutableFile(atPath:))
        else { throw TidegateError(.unavailable, "etcd is not installed: make deps") }
        directory = try TemporaryDirectory()
        let peer = "http://127.0.0.1:\(try ServerProcess.freePort())"
        endpoint = "http://127.0.0.1:\(try ServerProcess.freePort())"
        process = try await ServerProcess(
            [
                path, "--data-dir", directory.path + "/data", "--listen-client-urls", endpoint,
                "--advertise-client-urls", endpoint, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                "--initial-cluster", "default=\(peer)",
            ], log: directory.path + "/log", until: endpoint + "/health")
    }
}
