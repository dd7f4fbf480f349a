internal import Foundation
internal import Synchronization
package import TidegateCore

/// An object store in memory. A second put of other bytes at a key is refused: it would break invariant I4.
package final class MemoryObjectStore: ObjectStore {
    package enum Fault: Sendable {
        /// `.unavailable`; nothing happens.
        case refuse
        /// `.unknownOutcome`, and it happened or not.
        case unknownOutcome(applied: Bool)
    }

    private struct State {
        var objects: [String: [UInt8]] = [:]
        var putFaults: [Fault] = []
        var getFaults = 0
        var isDown = false
        var puts = 0
        var refusals = 0
    }

    private let state = Mutex(State())

    package init() {}

    package func failNextPut(_ fault: Fault) { state.withLock { $0.putFaults.append(fault) } }
    package func failNextGets(_ count: Int) { state.withLock { $0.getFaults += count } }
    package func setDown(_ isDown: Bool) { state.withLock { $0.isDown = isDown } }
    /// Loses an object, as a broken disk would.
    package func lose(_ key: String) { state.withLock { $0.objects[key] = nil } }
    /// Replaces an object's bytes, as a broken disk would.
    package func damage(_ key: String, _ bytes: [UInt8]) { state.withLock { $0.objects[key] = bytes } }
    package var keys: [String] { state.withLock { Self.sorted($0.objects.keys) } }
    /// Calls that came while it was down.
    package var refusals: Int { state.withLock { $0.refusals } }
    /// Puts that were carried out, repeated ones too.
    package var putCount: Int { state.withLock { $0.puts } }

    package func put(_ bytes: [UInt8], at key: String) async throws(TidegateError) {
        try ObjectKeyRule.check(key)
        try locked { state throws(TidegateError) in
            let fault = state.putFaults.isEmpty ? nil : state.putFaults.removeFirst()
            switch fault {
            case .refuse: throw TidegateError(.unavailable, "The test refuses this put.")
            case .unknownOutcome(applied: false): throw Self.unknown
            case .unknownOutcome(applied: true):
                try Self.store(bytes, key, &state)
                throw Self.unknown
            case nil: try Self.store(bytes, key, &state)
            }
        }
    }

    package func get(_ key: String) async throws(TidegateError) -> [UInt8] {
        try ObjectKeyRule.check(key)
        return try locked { state throws(TidegateError) in
            if state.getFaults > 0 {
                state.getFaults -= 1
                throw TidegateError(.unavailable, "The test refuses this get.")
            }
            guard let bytes = state.objects[key] else { throw TidegateError(.notFound, "There is no object '\(key)'.") }
            return bytes
        }
    }

    package func get(_ key: String, range: Range<Int>) async throws(TidegateError) -> [UInt8] {
        try ObjectKeyRule.check(range)
        return Array(try await get(key).dropFirst(range.lowerBound).prefix(range.count))
    }

    package func put(contentsOf path: String, at key: String) async throws(TidegateError) {
        try ObjectKeyRule.check(key)
        guard let content = FileManager.default.contents(atPath: path) else {
            throw TidegateError(.notFound, "There is no file \(path).")
        }
        try await put(Array(content), at: key)
    }

    package func get(_ key: String, into path: String) async throws(TidegateError) {
        let bytes = try await get(key)
        guard FileManager.default.createFile(atPath: path, contents: Data(bytes)) else {
            throw TidegateError(.unavailable, "The file \(path) cannot be written.")
        }
    }

    package func list(prefix: String, after: String?, limit: Int) async throws(TidegateError) -> [String] {
        try locked { state throws(TidegateError) in
            let found = Self.sorted(state.objects.keys).filter { key in
                key.utf8.starts(with: prefix.utf8)
                    && (after.map { $0.utf8.lexicographicallyPrecedes(key.utf8) } ?? true)
            }
            return Array(found.prefix(max(limit, 0)))
        }
    }

    package func delete(_ key: String) async throws(TidegateError) {
        try ObjectKeyRule.check(key)
        try locked { state throws(TidegateError) in state.objects[key] = nil }
    }

    private func locked<Value: Sendable>(
        _ body: (inout State) throws(TidegateError) -> Value
    ) throws(TidegateError) -> Value {
        let result: Result<Value, TidegateError> = state.withLock { state in
            guard !state.isDown else {
                state.refusals += 1
                return .failure(TidegateError(.unavailable, "The test took the store down."))
            }
            do throws(TidegateError) { return .success(try body(&state)) } catch { return .failure(error) }
        }
        return try result.get()
    }

    private static func store(_ bytes: [UInt8], _ key: String, _ state: inout State) throws(TidegateError) {
        guard state.objects[key].map({ $0 == bytes }) ?? true else {
            throw TidegateError(.conflict, "'\(key)' holds other bytes: a key has one content only.")
        }
        state.objects[key] = bytes
        state.puts += 1
    }

    private static func sorted(_ keys: some Sequence<String>) -> [String] {
        keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    private static var unknown: TidegateError {
        TidegateError(.unknownOutcome, "The test hides what became of this put.")
    }
}
