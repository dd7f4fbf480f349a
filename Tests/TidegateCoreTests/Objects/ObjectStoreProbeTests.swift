import Testing
import TidegateCore
import TidegateTestKit

@Suite("The probe of the object store")
struct ObjectStoreProbeTests {
    /// Breaks one promise of the store behind it.
    private struct Liar: ObjectStore {
        let honest = MemoryObjectStore()
        let broken: ObjectStoreProbe.Promise

        func put(_ bytes: [UInt8], at key: String) async throws(TidegateError) {
            if broken == .sameBytesAgain, honest.keys.contains(key) { throw TidegateError(.conflict, "taken") }
            try await honest.put(bytes, at: key)
        }
        func get(_ key: String) async throws(TidegateError) -> [UInt8] {
            let bytes = try await honest.get(key)
            return broken == .readAfterWrite ? Array(bytes.dropLast()) : bytes
        }
        func get(_ key: String, range: Range<Int>) async throws(TidegateError) -> [UInt8] {
            let isOff = broken == .ranges
            return try await honest.get(
                key, range: range.lowerBound..<(isOff ? range.upperBound + 1 : range.upperBound))
        }
        func put(contentsOf path: String, at key: String) async throws(TidegateError) {
            try await honest.put(contentsOf: path, at: key)
        }
        func get(_ key: String, into path: String) async throws(TidegateError) {
            try await honest.get(key, into: path)
        }
        func list(prefix: String, after: String?, limit: Int) async throws(TidegateError) -> [String] {
            let after = broken == .paging ? nil : after
            let keys = try await honest.list(prefix: prefix, after: after, limit: limit)
            return broken == .listing ? Array(keys.dropLast()) : keys
        }
        func delete(_ key: String) async throws(TidegateError) {
            if broken != .deletion { try await honest.delete(key) }
        }
    }

    @Test("an honest store passes and keeps nothing")
    func honest() async throws {
        let store = MemoryObjectStore()
        try await ObjectStoreProbe(store, name: "1").run()
        #expect(store.keys.isEmpty)
    }

    @Test("each broken promise is named", arguments: ObjectStoreProbe.Promise.allCases)
    func liars(broken: ObjectStoreProbe.Promise) async {
        do {
            try await ObjectStoreProbe(Liar(broken: broken), name: "1").run()
            Issue.record("A store that lies about \(broken) passed.")
        } catch {
            #expect(error.code == .invalidConfiguration && error.message.contains(broken.rawValue))
        }
    }
}
