internal import Glibc
package import Logging
internal import Metrics
internal import Synchronization
package import TidegateCore

/// Objects as files below one directory. A put returns when the file, its name and every directory above it are synced.
package final class DirectoryObjectStore: ObjectStore {
    /// No key segment contains `~`, so these files are never objects.
    private static let temporaries = "~temporary"

    let root: String
    private let threads: WorkerThreads
    private let lock: Mutex<DirectoryLock?>
    private let counter = Atomic<UInt64>(0)
    private let directories: SyncedDirectories
    private let hasFailed = Atomic<Bool>(false)
    /// Whether the last put was taken.
    package var isReachable: Bool { !hasFailed.load(ordering: .relaxed) }
    private let putBytes = Counter(label: "tidegate_objects_put_bytes_total")

    /// - Parameter root: created when absent; one process at a time. Leftovers of interrupted puts are removed.
    package init(root: String, threads count: Int = 4, logger: Logger) throws(TidegateError) {
        self.root = root
        let temporary = "\(root)/\(Self.temporaries)"
        lock = Mutex(try DirectoryLock.take(temporary))
        directories = SyncedDirectories(root: root)
        do throws(SystemFailure) {
            let leftovers = try Directories.names(in: temporary).filter { $0.name != "lock" }
            for (name, _) in leftovers { try Directories.remove("\(temporary)/\(name)") }
            if !leftovers.isEmpty {
                logger.info("Removed what interrupted puts left", metadata: ["files": "\(leftovers.count)"])
            }
        } catch { throw error.error }
        threads = try WorkerThreads(name: "tg-objects", count: count, jobsMax: 4_096)
    }

    /// Finishes what runs and lets go of the directory.
    package func close() {
        threads.close()
        lock.withLock { $0 = nil }
    }

    package func put(_ bytes: [UInt8], at key: String) async throws(TidegateError) {
        try await put(
            at: key,
            matches: { path throws(SystemFailure) in try Directories.contents(of: path) == bytes },
            fill: { file, path throws(SystemFailure) in
                try file.write(bytes, path: path)
                return bytes.count
            })
    }

    package func put(contentsOf source: String, at key: String) async throws(TidegateError) {
        try await put(
            at: key, matches: { path throws(SystemFailure) in try FileCopy.areEqual(source, path) },
            fill: { file, path throws(SystemFailure) in
                try FileCopy.append(
                    try FileDescriptor(opening: source, O_RDONLY), at: source, to: file, at: path)
            })
    }

    /// - Parameters:
    ///   - matches: whether the file at this path has the object's bytes.
    ///   - fill: writes them and tells how many.
    private func put(
        at key: String, matches: @escaping @Sendable (String) throws(SystemFailure) -> Bool,
        fill: @escaping @Sendable (borrowing FileDescriptor, String) throws(SystemFailure) -> Int
    ) async throws(TidegateError) {
        try ObjectKeyRule.check(key)
        let count = try await threads.run { () throws(TidegateError) in
            do throws(SystemFailure) {
                let count = try self.write(key, matches, fill)
                self.hasFailed.store(false, ordering: .relaxed)
                return count
            } catch {
                guard error.code != 0 else { throw Self.otherBytes(key) }
                self.hasFailed.store(true, ordering: .relaxed)
                throw error.error
            }
        }
        putBytes.increment(by: count)
    }

    package func get(_ key: String) async throws(TidegateError) -> [UInt8] {
        try await get(key, range: 0..<Int.max)
    }

    package func get(_ key: String, range: Range<Int>) async throws(TidegateError) -> [UInt8] {
        try ObjectKeyRule.check(key)
        try ObjectKeyRule.check(range)
        return try await threads.run { () throws(TidegateError) in
            let path = self.path(of: key)
            do throws(SystemFailure) {
                let file = try FileDescriptor(opening: path, O_RDONLY)
                let size = try file.size(path: path)
                let lower = min(range.lowerBound, size)
                return try file.read(lower..<min(range.upperBound, size), path: path)
            } catch {
                guard Self.isAbsence(error) else { throw error.error }
                throw TidegateError(.notFound, "There is no object '\(key)'.")
            }
        }
    }

    package func get(_ key: String, into path: String) async throws(TidegateError) {
        try ObjectKeyRule.check(key)
        try await threads.run { () throws(TidegateError) in
            let source = self.path(of: key)
            do throws(SystemFailure) {
                let object = try FileDescriptor(opening: source, O_RDONLY)
                try FileCopy.fill(path) { file throws(SystemFailure) in
                    try FileCopy.append(object, at: source, to: file, at: path)
                }
            } catch {
                guard error.path == source, Self.isAbsence(error) else { throw error.error }
                throw TidegateError(.notFound, "There is no object '\(key)'.")
            }
        }
    }

    package func list(prefix: String, after: String?, limit: Int) async throws(TidegateError) -> [String] {
        try await threads.run { () throws(TidegateError) in
            var listing = DirectoryListing(root: self.root, prefix: prefix, after: after, limit: max(limit, 0))
            do throws(SystemFailure) { return try listing.keys() } catch { throw error.error }
        }
    }

    package func delete(_ key: String) async throws(TidegateError) {
        try ObjectKeyRule.check(key)
        try await threads.run { () throws(TidegateError) in
            do throws(SystemFailure) { try Directories.remove(self.path(of: key)) } catch {
                guard [ENOTDIR, EISDIR].contains(error.code) else { throw error.error }
            }
        }
    }

    private func path(of key: String) -> String { "\(root)/\(key)" }

    /// - Throws: code 0 when the key holds other bytes.
    /// - Returns: bytes written; 0 when they were there.
    private func write(
        _ key: String, _ matches: (String) throws(SystemFailure) -> Bool,
        _ fill: (borrowing FileDescriptor, String) throws(SystemFailure) -> Int
    ) throws(SystemFailure) -> Int {
        let path = path(of: key)
        let parent = Directories.parent(of: path)
        if access(path, F_OK) == 0 {
            guard try matches(path) else { throw SystemFailure("put", path, code: 0) }
            try Directories.sync(parent)  // whoever wrote it may not have come that far
            return 0
        }
        try directories.create(parent)
        let number = counter.add(1, ordering: .relaxed).newValue
        let temporary = "\(root)/\(Self.temporaries)/\(number)"
        let count: Int
        do throws(SystemFailure) {
            let file = try FileDescriptor(opening: temporary, O_WRONLY | O_CREAT | O_TRUNC)
            count = try fill(file, temporary)
            try file.sync(path: temporary)
            try Directories.move(temporary, to: path)
        } catch {
            try? Directories.remove(temporary)
            throw error
        }
        try Directories.sync(parent)
        return count
    }

    private static func isAbsence(_ failure: SystemFailure) -> Bool {
        [ENOENT, ENOTDIR, EISDIR].contains(failure.code)
    }

    private static func otherBytes(_ key: String) -> TidegateError {
        TidegateError(.conflict, "'\(key)' holds other bytes: a key has one content only.")
    }
}

/// Directories whose entry in their parent is known to be synced. A directory that another thread has just made exists
/// before that is so; therefore "it exists" alone does not count.
private final class SyncedDirectories: Sendable {
    private static let countMax = 16_384
    private let known: Mutex<Set<String>>
    private let root: String

    init(root: String) {
        self.root = root
        known = Mutex([root])
    }

    func create(_ path: String) throws(SystemFailure) {
        if known.withLock({ $0.contains(path) }) { return }
        let parent = Directories.parent(of: path)
        try create(parent)
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw SystemFailure("mkdir", path) }
        try Directories.sync(parent)
        known.withLock { known in
            if known.count >= Self.countMax { known = [root] }
            known.insert(path)
        }
    }
}
