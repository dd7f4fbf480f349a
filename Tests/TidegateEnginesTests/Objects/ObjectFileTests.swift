import Foundation
import Testing
import TidegateCore
import TidegateTestKit

@testable import TidegateEngines

@Suite("Objects to and from files", .timeLimit(.minutes(2)))
struct ObjectFileTests {
    /// A file whose megabytes all differ.
    private static func make(_ path: String, bytes: Int, seed: UInt64 = 1) throws {
        var random = SeededGenerator(seed: seed)
        var block = random.bytes(1 << 20)
        guard FileManager.default.createFile(atPath: path, contents: nil), let file = FileHandle(forWritingAtPath: path)
        else { throw TidegateError(.unavailable, "\(path) cannot be made.") }
        defer { try? file.close() }
        for start in stride(from: 0, to: bytes, by: block.count) {
            withUnsafeBytes(of: start) { block.replaceSubrange(8..<16, with: $0) }
            try file.write(contentsOf: block.prefix(min(block.count, bytes - start)))
        }
    }

    private func code(_ body: () async throws -> Void) async -> TidegateError.Code? {
        do { try await body() } catch { return (error as? TidegateError)?.code }
        return nil
    }

    @Test(
        "a file of any size goes in and comes out, once or twice, and its key keeps one content",
        arguments: ObjectEngine.allCases, [0, 5, 8 << 20, (65 << 20) + 12_345])
    func roundTrip(engine: ObjectEngine, bytes: Int) async throws {
        let directory = try TemporaryDirectory()
        let (source, target) = (directory.path + "/source", directory.path + "/target")
        try Self.make(source, bytes: bytes)
        try await engine.with { store in
            try await store.put(contentsOf: source, at: "1/body/a")
            try await store.put(contentsOf: source, at: "1/body/a")
            try await store.get("1/body/a", into: target)
            #expect(FileManager.default.contentsEqual(atPath: source, andPath: target))
            if bytes > 1 << 20 {
                let content = try Data(contentsOf: URL(fileURLWithPath: source))
                let range = (bytes - 100)..<(bytes + 100)
                #expect(try await store.get("1/body/a", range: range) == Array(content.suffix(100)))
            }
            // Longer, and of the same length with other bytes.
            try Self.make(target, bytes: bytes + 1)
            #expect(await code { try await store.put(contentsOf: target, at: "1/body/a") } == .conflict)
            if bytes > 0 {
                try Self.make(target, bytes: bytes, seed: 2)
                #expect(await code { try await store.put(contentsOf: target, at: "1/body/a") } == .conflict)
            }
            try await store.get("1/body/a", into: target)  // over a file that is there
            #expect(FileManager.default.contentsEqual(atPath: source, andPath: target))
        }
    }

    @Test("what is not there is said, and nothing is left of it", arguments: ObjectEngine.allCases)
    func absent(engine: ObjectEngine) async throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/file"
        try await engine.with { store in
            #expect(await code { try await store.get("nothing", into: path) } == .notFound)
            #expect(!FileManager.default.fileExists(atPath: path))
            #expect(await code { try await store.put(contentsOf: path, at: "a") } != nil)
            #expect(await code { _ = try await store.get("a") } == .notFound)
            #expect(await code { try await store.put(contentsOf: path, at: "../a") } == .invalidRequest)
        }
    }

    @Test("what a process left of an upload when it died is ended by the next one")
    func leftovers() async throws {
        let directory = try TemporaryDirectory()
        let source = directory.path + "/source"
        try Self.make(source, bytes: 9 << 20)
        try await WeedServer.shared.with { store in
            func uploads() async throws -> [String] {
                let answer = try await store.send("GET", key: nil, query: [("uploads", "")])
                #expect(answer.isSuccess)
                return S3Document(answer.body, wanted: ["Key"]).texts.map(\.text)
            }
            for key in ["a/b", "a/b.c", "a"] {
                let begun = try await store.send("POST", key: key, query: [("uploads", "")])
                #expect(begun.isSuccess)
            }
            #expect(try await uploads().sorted() == ["a", "a/b", "a/b.c"])
            try await store.put(contentsOf: source, at: "a/b")
            #expect(try await uploads().sorted() == ["a", "a/b.c"])
            #expect(try await store.get("a/b").count == 9 << 20)
        }
    }

    /// Alone in the process: `TIDEGATE_MEASURE=1 swift test --filter ObjectFileTests/memory`.
    @Test(
        "memory", .enabled(if: ProcessInfo.processInfo.environment["TIDEGATE_MEASURE"] != nil),
        arguments: [ObjectEngine.directory, .s3])
    func memory(engine: ObjectEngine) async throws {
        let directory = try TemporaryDirectory()
        let (source, target) = (directory.path + "/source", directory.path + "/target")
        try await engine.with { store in
            try Self.make(source, bytes: 1 << 20)
            try await store.put(contentsOf: source, at: "first")
            try Self.make(source, bytes: 512 << 20)
            let before = try Self.peakKiB()
            let began = ContinuousClock.now
            try await store.put(contentsOf: source, at: "large")
            let put = ContinuousClock.now - began
            try await store.get("large", into: target)
            let grown = try Self.peakKiB() - before
            print(
                "512 MiB on \(engine): peak memory +\(grown / 1_024) MiB, put \(put), both \(ContinuousClock.now - began)"
            )
            #expect(grown < 64 << 10)
        }
    }

    private static func peakKiB() throws -> Int {
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        return line.flatMap { Int($0.split(separator: " ").dropLast().last ?? "") } ?? 0
    }
}
