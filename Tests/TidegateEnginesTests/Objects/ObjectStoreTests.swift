import Foundation
import Testing
import TidegateCore
import TidegateEngines
import TidegateTestKit

enum ObjectEngine: CaseIterable, Sendable {
    case memory, directory, s3

    func with(_ body: (any ObjectStore) async throws -> Void) async throws {
        switch self {
        case .memory: try await body(MemoryObjectStore())
        case .s3: try await WeedServer.shared.with { try await body($0) }
        case .directory:
            let directory = try TemporaryDirectory()
            let store = try DirectoryObjectStore(root: directory.path + "/store", logger: quiet)
            defer { store.close() }
            try await body(store)
        }
    }
}

@Suite("The contract of the object store")
struct ObjectStoreTests {
    @Test("what was put is read, whole and in part", arguments: ObjectEngine.allCases)
    func readAfterWrite(engine: ObjectEngine) async throws {
        try await engine.with { store in
            try await store.put([1, 2, 3, 4], at: "1/log/eu/3/1/7")
            try await store.put([], at: "empty")
            #expect(try await store.get("1/log/eu/3/1/7") == [1, 2, 3, 4])
            #expect(try await store.get("1/log/eu/3/1/7", range: 1..<3) == [2, 3])
            #expect(try await store.get("1/log/eu/3/1/7", range: 3..<99) == [4])
            #expect(try await store.get("1/log/eu/3/1/7", range: 9..<12) == [])
            #expect(try await store.get("empty") == [])
        }
    }

    @Test("a key has one content only", arguments: ObjectEngine.allCases)
    func oneContent(engine: ObjectEngine) async throws {
        try await engine.with { store in
            try await store.put([1], at: "k")
            try await store.put([1], at: "k")
            await #expect(throws: TidegateError.self) { try await store.put([2], at: "k") }
            #expect(try await store.get("k") == [1])
        }
    }

    @Test("an absent key is not found, and deleting it is no error", arguments: ObjectEngine.allCases)
    func absent(engine: ObjectEngine) async throws {
        try await engine.with { store in
            try await store.put([1], at: "a/b")
            try await store.delete("a/b")
            try await store.delete("a/b")
            try await store.delete("x/y/z")
            for key in ["a/b", "a", "a/b/c"] {
                do {
                    _ = try await store.get(key)
                    Issue.record("\(key) was found.")
                } catch let error as TidegateError { #expect(error.code == .notFound) }
            }
        }
    }

    @Test("no key leads out of the store", arguments: ObjectEngine.allCases)
    func traversal(engine: ObjectEngine) async throws {
        try await engine.with { store in
            for key in ["", "/", "../x", "a/../x", "a//b", "/etc/x", "a/", ".", "a/.", "a b", "a~b", "ä", "a\u{0}b"] {
                await #expect(throws: TidegateError.self, "\(key)") { try await store.put([1], at: key) }
                await #expect(throws: TidegateError.self, "\(key)") { try await store.get(key) }
                await #expect(throws: TidegateError.self, "\(key)") { try await store.delete(key) }
            }
        }
    }

    @Test(
        "a listing has every key of its prefix once, whole or in pages", arguments: ObjectEngine.allCases,
        [1, 2] as [UInt64])
    func listing(engine: ObjectEngine, seed: UInt64) async throws {
        var random = SeededGenerator(seed: seed)
        let names = ["a", "b", "a-1", "a.x", "10", "9", "Z"]
        var keys: Set<String> = []
        for _ in 0..<40 {
            let depth = Int.random(in: 1...3, using: &random)
            let folder = (1..<depth).map { _ in names.randomElement(using: &random)! }
            keys.insert((folder + ["f-" + names.randomElement(using: &random)!]).joined(separator: "/"))
        }
        func order(_ one: String, _ other: String) -> Bool { one.utf8.lexicographicallyPrecedes(other.utf8) }
        let all = keys.sorted(by: order)
        try await engine.with { store in
            for key in all { try await store.put(Array(key.utf8), at: key) }
            let whole = try await store.list(prefix: "", after: nil, limit: 1_000)
            #expect(whole.sorted(by: order) == all)
            for prefix in ["a", "a/", "a-", "b/f", "nothing"] {
                let matching = all.filter { $0.hasPrefix(prefix) }
                #expect(try await store.list(prefix: prefix, after: nil, limit: 1_000).sorted(by: order) == matching)
            }
            var paged: [String] = []
            while case let page = try await store.list(prefix: "", after: paged.last, limit: 3), !page.isEmpty {
                paged += page
            }
            #expect(paged == whole)
        }
    }
}

@Suite("The object store on a directory")
struct DirectoryObjectStoreTests {
    @Test("objects outlive the process, leftovers do not, and one process has the directory")
    func reopen() async throws {
        let directory = try TemporaryDirectory()
        let before = try DirectoryObjectStore(root: directory.path, logger: quiet)
        try await before.put([1, 2], at: "a/b/c")
        #expect(throws: TidegateError.self) { try DirectoryObjectStore(root: directory.path, logger: quiet) }
        let leftover = directory.path + "/~temporary/999"
        #expect(FileManager.default.createFile(atPath: leftover, contents: Data([9])))
        before.close()
        let after = try DirectoryObjectStore(root: directory.path, logger: quiet)
        defer { after.close() }
        #expect(try await after.get("a/b/c") == [1, 2])
        #expect(!FileManager.default.fileExists(atPath: leftover))
        #expect(try await after.list(prefix: "", after: nil, limit: 9) == ["a/b/c"])
    }

    @Test("concurrent puts into one new folder all arrive")
    func concurrent() async throws {
        let directory = try TemporaryDirectory()
        let store = try DirectoryObjectStore(root: directory.path, logger: quiet)
        defer { store.close() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<64 { group.addTask { try await store.put([UInt8(number)], at: "new/deep/\(number)") } }
            try await group.waitForAll()
        }
        #expect(try await store.list(prefix: "new/", after: nil, limit: 100).count == 64)
    }
}
