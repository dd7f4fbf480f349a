import Foundation
import Synchronization
import TidegateCore
import TidegateEngines
import TidegateTestKit

/// A real SeaweedFS with an S3 door, one for all tests: it takes seconds to start. Every test has a bucket of its own.
actor WeedServer {
    static let shared = WeedServer()
    static let credentials = (access: "tidegate", secret: "only-for-tests")

    /// Buckets are also reached as hosts below it.
    static let domain = "s3.test"

    private var running: Task<(server: ServerProcess, directory: TemporaryDirectory, endpoint: String), any Error>?
    private var buckets = 0
    private static let lastPID = Atomic<pid_t>(0)

    /// Runs `body` with a store on a new bucket, and closes it however that ends: a client that is not shut down traps.
    nonisolated func with<Value>(
        _ change: (inout S3Settings) -> Void = { _ in }, _ body: (S3ObjectStore) async throws -> Value
    ) async throws -> Value {
        var settings = try await settings()
        change(&settings)
        return try await Self.with(settings, body)
    }

    static func with<Value>(
        _ settings: S3Settings, _ body: (S3ObjectStore) async throws -> Value
    ) async throws -> Value {
        let store = S3ObjectStore(settings, clock: SystemTestClock(), logger: quiet)
        let result: Result<Value, any Error>
        do { result = .success(try await body(store)) } catch { result = .failure(error) }
        await store.close()
        return try result.get()
    }

    /// Of a new bucket. `endpoint` as `http://127.0.0.1:PORT`.
    func settings() async throws -> S3Settings {
        let running = running ?? Task { try await ServerProcess.retrying { try await Self.start() } }
        self.running = running
        let endpoint = try await running.value.endpoint
        buckets += 1
        let settings = S3Settings(
            endpoint: endpoint, bucket: "bucket-\(buckets)", accessKey: Self.credentials.access,
            secretKey: Self.credentials.secret)
        try await Self.with(settings) { try await $0.createBucket() }
        return settings
    }

    /// Where `scripts/python-env.sh` puts it, unless `TIDEGATE_WEED` says otherwise.
    private static func path() throws -> String {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../..")
        let path =
            ProcessInfo.processInfo.environment["TIDEGATE_WEED"]
            ?? root.standardizedFileURL.path + "/.build-python/bin/weed"
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw TidegateError(.unavailable, "SeaweedFS is not installed: run scripts/python-env.sh")
        }
        return path
    }

    private static func start() async throws -> (ServerProcess, TemporaryDirectory, String) {
        let directory = try TemporaryDirectory()
        let identities = """
            {"identities":[{"name":"t","credentials":[{"accessKey":"\(credentials.access)",\
            "secretKey":"\(credentials.secret)"}],"actions":["Admin","Read","Write","List"]}]}
            """
        try Data(identities.utf8).write(to: URL(fileURLWithPath: directory.path + "/s3.json"))
        // Each door has a second one for gRPC, 10000 above it.
        let ports = try (0..<4).map { _ in try ServerProcess.freePort() }
        let endpoint = "http://127.0.0.1:\(ports[0])"
        let server = try await ServerProcess(
            [
                try path(), "-logtostderr=true", "server", "-dir=\(directory.path)", "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1", "-s3", "-s3.config=\(directory.path)/s3.json", "-s3.port=\(ports[0])",
                "-s3.domainName=\(domain)",
                "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.port=\(ports[1])", "-volume.port=\(ports[2])",
                "-filer.port=\(ports[3])", "-master.volumeSizeLimitMB=64", "-volume.max=100",
            ], log: directory.path + "/log", until: endpoint)
        // Nobody stops what all tests share: the process does, on its way out.
        lastPID.store(server.pid, ordering: .relaxed)
        atexit { kill(WeedServer.lastPID.load(ordering: .relaxed), SIGKILL) }
        return (server, directory, endpoint)
    }
}

/// Signatures are only good for a few minutes around the server's time.
struct SystemTestClock: WallClock {
    func milliseconds() -> Int64 { Int64(Date().timeIntervalSince1970 * 1_000) }
}
