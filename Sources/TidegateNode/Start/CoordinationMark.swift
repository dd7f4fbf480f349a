internal import Foundation
internal import TidegateCore

/// The newest state of the coordination store that this node has seen. A store that is behind it was restored from a
/// backup: names of the lost time would be used again (A6).
struct CoordinationMark: Codable, Equatable, Sendable {
    var generation: Int
    var revision: Revision

    /// - Throws: `.conflict` when the store has gone back.
    static func check(
        _ file: String, keys: CoordinationKeys, in store: any CoordinationStore
    ) async throws(TidegateError) {
        let revision = try await store.range(prefix: keys.cluster, after: nil, limit: 1).revision
        if let seen = read(file), keys.generation <= seen.generation {
            guard keys.generation == seen.generation, revision >= seen.revision else {
                throw TidegateError(
                    .conflict,
                    "The coordination store is at revision \(revision) of generation \(keys.generation); this node has "
                        + "seen revision \(seen.revision) of generation \(seen.generation). It was restored from a backup: "
                        + "stop every node, run 'tidegate coord adopt --dry-run', then without --dry-run, and start again."
                )
            }
        }
        write(CoordinationMark(generation: keys.generation, revision: revision), to: file)
    }

    /// Notes every half minute how far the store is, until cancelled.
    static func follow(_ file: String, keys: CoordinationKeys, in store: any CoordinationStore) async {
        repeat {
            guard let revision = try? await store.range(prefix: keys.cluster, after: nil, limit: 1).revision else {
                continue
            }
            write(CoordinationMark(generation: keys.generation, revision: revision), to: file)
        } while (try? await Task.sleep(for: .seconds(30))) != nil
    }

    /// A mark that cannot be written is older than it could be, and protects less; that is no reason to stop a node.
    static func write(_ mark: CoordinationMark, to file: String) {
        guard read(file).map({ ($0.generation, $0.revision) < (mark.generation, mark.revision) }) ?? true,
            let bytes = try? JSONEncoder().encode(mark)
        else { return }
        try? bytes.write(to: URL(fileURLWithPath: file), options: .atomic)
    }

    static func read(_ file: String) -> CoordinationMark? {
        guard let bytes = FileManager.default.contents(atPath: file) else { return nil }
        return try? JSONDecoder().decode(CoordinationMark.self, from: bytes)
    }
}
