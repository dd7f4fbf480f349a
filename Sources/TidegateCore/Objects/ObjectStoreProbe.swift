/// Asks a store for what we rely on, before anything is trusted to it: a store that lists late or cuts ranges wrong would
/// lose rows long after the mistake.
package struct ObjectStoreProbe: Sendable {
    /// What a store must do, in the words of the error when it does not.
    package enum Promise: String, CaseIterable, Sendable {
        case readAfterWrite = "an object that was put is not read back as it was"
        case sameBytesAgain = "the same bytes cannot be put a second time"
        case ranges = "a part of an object is not the part that was asked for"
        case listing = "a listing does not have what was put"
        case paging = "a listing does not go on behind its last key"
        case deletion = "an object that was deleted is still there"
    }

    private let store: any ObjectStore
    private let prefix: String

    /// - Parameter name: distinct for every run: keys are never used twice.
    package init(_ store: any ObjectStore, name: String) {
        self.store = store
        prefix = "probe/\(name)/"
    }

    /// - Throws: `.invalidConfiguration` with the first promise that is broken; what the store itself throws when it cannot
    ///   be asked.
    package func run() async throws(TidegateError) {
        let keys = (1...3).map { "\(prefix)\($0)" }
        let bytes = (0..<300).map { UInt8(truncatingIfNeeded: $0) }
        for key in keys { try await store.put(bytes, at: key) }
        try await check(.readAfterWrite) { () throws(TidegateError) in try await store.get(keys[0]) == bytes }
        try await check(.sameBytesAgain) { () throws(TidegateError) in
            do throws(TidegateError) { try await store.put(bytes, at: keys[0]) } catch {
                guard error.code == .conflict else { throw error }
                return false
            }
            return try await store.get(keys[0]) == bytes
        }
        try await check(.ranges) { () throws(TidegateError) in
            let middle = try await store.get(keys[0], range: 100..<110)
            let end = try await store.get(keys[0], range: 290..<400)
            return middle == Array(bytes[100..<110]) && end == Array(bytes[290...])
        }
        try await check(.listing) { () throws(TidegateError) in
            Set(try await store.list(prefix: prefix, after: nil, limit: 10)) == Set(keys)
        }
        try await check(.paging) { () throws(TidegateError) in
            let first = try await store.list(prefix: prefix, after: nil, limit: 2)
            let rest = try await store.list(prefix: prefix, after: first.last, limit: 2)
            return first.count == 2 && rest.count == 1 && Set(first + rest) == Set(keys)
        }
        for key in keys { try await store.delete(key) }
        try await check(.deletion) { () throws(TidegateError) in
            do throws(TidegateError) { _ = try await store.get(keys[0]) } catch {
                guard error.code == .notFound else { throw error }
                return true
            }
            return false
        }
    }

    private func check(
        _ promise: Promise, _ holds: () async throws(TidegateError) -> Bool
    ) async throws(TidegateError) {
        guard try await holds() else {
            throw TidegateError(
                .invalidConfiguration,
                "The object store cannot be used: \(promise.rawValue). Choose another store, or mend this one.")
        }
    }
}
