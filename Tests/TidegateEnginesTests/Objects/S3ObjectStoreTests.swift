import Foundation
import Testing
import TidegateCore
import TidegateTestKit

@testable import TidegateEngines

@Suite("The object store on S3", .timeLimit(.minutes(2)))
struct S3ObjectStoreTests {
    /// The example with a range of AWS's documentation, "Authenticating Requests: Using the Authorization Header".
    @Test("a request is signed as the published example is")
    func signature() {
        let signature = S3Signature(
            accessKey: "AKIAIOSFODNN7EXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            region: "us-east-1")
        let empty = S3Signature.hash([])
        let request = S3Signature.Request(
            method: "GET", path: "/test.txt",
            headers: [
                ("host", "examplebucket.s3.amazonaws.com"), ("range", "bytes=0-9"), ("x-amz-content-sha256", empty),
                ("x-amz-date", "20130524T000000Z"),
            ], payloadHash: empty)
        let authorization = signature.authorization(
            for: request, at: S3Signature.stamp(milliseconds: 1_369_353_600_000))
        #expect(
            authorization.hasSuffix(
                "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"))
        #expect(authorization.contains("Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"))
    }

    private func code(_ settings: S3Settings, _ body: (S3ObjectStore) async throws -> Void) async -> TidegateError? {
        do { try await WeedServer.with(settings, body) } catch { return error as? TidegateError }
        return nil
    }

    @Test("wrong keys and a missing bucket say what to do; nobody there is told apart")
    func refusals() async throws {
        let good = try await WeedServer.shared.settings()
        var bad = good
        bad.secretKey = "wrong"
        let denied = await code(bad) { _ = try await $0.get("a") }
        #expect(denied?.code == .invalidConfiguration && denied?.message.contains("TIDEGATE_S3_ACCESS_KEY") == true)
        bad = good
        bad.bucket = "not-there"
        let missing = await code(bad) { _ = try await $0.list(prefix: "", after: nil, limit: 1) }
        #expect(missing?.code == .invalidConfiguration && missing?.message.contains("'not-there'") == true)
        bad = good
        (bad.endpoint, bad.attemptsMax) = ("http://127.0.0.1:1", 2)
        let away = await code(bad) { _ = try await $0.get("a") }
        #expect(away?.code == .unavailable)
    }

    @Test("large objects come back whole, and a long listing in pages")
    func volume() async throws {
        try await WeedServer.shared.with { store in
            var random = SeededGenerator(seed: 5)
            let large = random.bytes(21 << 20)  // three parts, the last one short
            try await store.put(large, at: "large")
            try await store.put(large, at: "large")
            #expect(try await store.get("large") == large)
            #expect(try await store.get("large", range: 8_000_000..<8_000_010) == Array(large[8_000_000..<8_000_010]))
            var other = large
            other[20 << 20] ^= 1
            await #expect(throws: TidegateError.self) { try await store.put(other, at: "large") }
            try await withThrowingDiscardingTaskGroup { group in
                for part in 0..<4 {
                    group.addTask {
                        for number in 0..<260 {
                            try await store.put([UInt8(part)], at: "many/\(part * 260 + number + 1_000)")
                        }
                    }
                }
            }
            let keys = try await store.list(prefix: "many/", after: nil, limit: 5_000)
            #expect(keys == (1_000..<2_040).map { "many/\($0)" })
        }
    }

    @Test("it keeps what the start-up probe asks for, also with hedged puts", arguments: [1_000, 0])
    func probe(hedgeMs: Int) async throws {
        try await WeedServer.shared.with({ $0.hedgeAfter = .milliseconds(hedgeMs) }) { store in
            try await ObjectStoreProbe(store, name: "1").run()
        }
    }

    /// The same bucket by both names: what one style puts, the other reads.
    @Test("a bucket is reached as a host, signed under that name")
    func virtualStyle() async throws {
        let paths = try await WeedServer.shared.settings()
        var hosts = paths
        hosts.style = .virtual
        hosts.endpoint = paths.endpoint.replacingOccurrences(of: "127.0.0.1", with: WeedServer.domain)
        hosts.addresses = ["\(paths.bucket).\(WeedServer.domain)": "127.0.0.1"]
        try await WeedServer.with(hosts) { store in
            try await ObjectStoreProbe(store, name: "1").run()
            try await store.put([1, 2, 3], at: "a/b")
            #expect(try await store.list(prefix: "a", after: nil, limit: 9) == ["a/b"])
            var random = SeededGenerator(seed: 6)
            let large = random.bytes(9 << 20)
            try await store.put(large, at: "large")
            #expect(try await store.get("large", range: (8 << 20)..<(9 << 20)) == Array(large[(8 << 20)...]))
        }
        try await WeedServer.with(paths) { store in
            let found = try await store.get("a/b")
            #expect(found == [1, 2, 3])
        }
        // The name is part of what is signed: with another one it is refused.
        var wrong = hosts
        wrong.secretKey = "wrong"
        #expect(await code(wrong) { _ = try await $0.get("a/b") }?.code == .invalidConfiguration)
    }

    @Test(
        "what is no place is refused with how to write one",
        arguments: ["", "http://h", "http://h/", "http://h/ab", "ftp://h/bucket", "http:///bucket", "http://h/a/b"])
    func places(place: String) {
        #expect(throws: TidegateError.self) { try S3Settings(place: place, accessKey: "a", secretKey: "b") }
    }
}
