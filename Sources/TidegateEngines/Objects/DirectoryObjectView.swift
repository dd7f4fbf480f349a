internal import Glibc
package import TidegateCore

/// The object store of a node's directory as another process may look at it, also while the node runs. Only reads.
package final class DirectoryObjectView: ObjectStore {
    private let root: String
    private let threads: WorkerThreads

    package init(root: String) throws(TidegateError) {
        self.root = root
        threads = try WorkerThreads(name: "tg-view", count: 2, jobsMax: 1_024)
    }

    package func close() { threads.close() }

    package func get(_ key: String) async throws(TidegateError) -> [UInt8] { try await get(key, range: 0..<Int.max) }

    package func get(_ key: String, range: Range<Int>) async throws(TidegateError) -> [UInt8] {
        try ObjectKeyRule.check(key)
        try ObjectKeyRule.check(range)
        let path = "\(root)/\(key)"
        return try await threads.run { () throws(TidegateError) in
            do throws(SystemFailure) {
                let file = try FileDescriptor(opening: path, O_RDONLY)
                let size = try file.size(path: path)
                let lower = min(range.lowerBound, size)
                return try file.read(lower..<min(range.upperBound, size), path: path)
            } catch {
                guard [ENOENT, ENOTDIR, EISDIR].contains(error.code) else { throw error.error }
                throw TidegateError(.notFound, "There is no object '\(key)'.")
            }
        }
    }

    package func get(_ key: String, into path: String) async throws(TidegateError) {
        var offset = 0
        let pieceBytes = 4 << 20
        do throws(SystemFailure) { try Self.empty(path) } catch { throw error.error }
        while true {
            let piece = try await get(key, range: offset..<(offset + pieceBytes))
            try await threads.run { () throws(TidegateError) in
                do throws(SystemFailure) {
                    try FileDescriptor(opening: path, O_WRONLY | O_APPEND).write(piece, path: path)
                } catch { throw error.error }
            }
            offset += piece.count
            if piece.count < pieceBytes { return }
        }
    }

    package func list(prefix: String, after: String?, limit: Int) async throws(TidegateError) -> [String] {
        let root = root
        return try await threads.run { () throws(TidegateError) in
            var listing = DirectoryListing(root: root, prefix: prefix, after: after, limit: max(limit, 0))
            do throws(SystemFailure) { return try listing.keys() } catch { throw error.error }
        }
    }

    package func put(_ bytes: [UInt8], at key: String) async throws(TidegateError) { throw Self.readOnly }
    package func put(contentsOf path: String, at key: String) async throws(TidegateError) { throw Self.readOnly }
    package func delete(_ key: String) async throws(TidegateError) { throw Self.readOnly }

    private static func empty(_ path: String) throws(SystemFailure) {
        _ = try FileDescriptor(opening: path, O_WRONLY | O_CREAT | O_TRUNC)
    }

    private static var readOnly: TidegateError { TidegateError(.forbidden, "This view of the store only reads.") }
}
