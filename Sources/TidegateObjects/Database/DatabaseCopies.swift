internal import Foundation
internal import GRDB
internal import TidegateCore

/// Copies of one gateway's database, out into the object store and back. Works on a thread for long reads.
actor DatabaseCopies {
    private let store: any ObjectStore
    /// Folder for files under way; removed at every start.
    private let scratch: String
    private let strand: DatabaseStrand
    private let file: DatabaseFile
    private var counter = 0

    nonisolated var unownedExecutor: UnownedSerialExecutor { strand.asUnownedSerialExecutor() }

    init(store: any ObjectStore, scratch: String, strand: DatabaseStrand, file: DatabaseFile) {
        self.store = store
        self.scratch = scratch
        self.strand = strand
        self.file = file
    }

    /// Opens a read transaction: what it sees stays the same until it is ended.
    func pin(appliedN: LogIndex) throws(TidegateError) -> PinnedDatabase {
        do {
            let queue = try file.connect(readOnly: true, isPinned: true)
            try queue.inDatabase { db in
                try db.beginTransaction(.deferred)
                guard try DatabaseMeta.read(db)?.appliedN == appliedN else {
                    throw TidegateError(.internalError, "The database changed while it was pinned.")
                }
            }
            return PinnedDatabase(queue: queue, appliedN: appliedN, copies: self)
        } catch {
            throw .database(error, "Pinning the database")
        }
    }

    func store(_ queue: DatabaseQueue, appliedN: LogIndex, at key: String) async throws -> SnapshotManifest.Item {
        let (copy, packed) = try paths()
        defer { for path in [copy, copy + "-journal", packed] { try? FileManager.default.removeItem(atPath: path) } }
        do {
            let target = try DatabaseQueue(path: copy, configuration: Self.plain)
            try queue.inDatabase { from in try target.inDatabase { try from.backup(to: $0) } }
            try target.close()
        } catch {
            letGo(queue)
            throw TidegateError.database(error, "Copying the database")
        }
        letGo(queue)
        return try await store(file: copy, packed: packed, appliedN: appliedN, at: key)
    }

    /// - Parameter copy: stays.
    func store(file copy: String, packed: String, appliedN: LogIndex, at key: String) async throws
        -> SnapshotManifest.Item
    {
        let (size, crc) = try ZstandardFile.compress(copy, into: packed)
        try await store.put(contentsOf: packed, at: key)
        return SnapshotManifest.Item(
            uid: file.identity.gateway.description, key: key, crc: crc, size: size, appliedN: appliedN)
    }

    nonisolated func copy(_ queue: DatabaseQueue, appliedN: LogIndex) throws -> PinnedCopy {
        try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
        let path = "\(scratch)/\(file.identity.gateway)-at-\(appliedN)"
        for name in [path, path + "-journal"] { try? FileManager.default.removeItem(atPath: name) }
        let target = try DatabaseQueue(path: path, configuration: Self.plain)
        try queue.inDatabase { from in try target.inDatabase { try from.backup(to: $0) } }
        try target.close()
        return PinnedCopy(path: path, appliedN: appliedN, copies: self)
    }

    func letGo(_ queue: DatabaseQueue) {
        queue.inDatabase { try? $0.rollback() }
        try? queue.close()
    }

    /// Puts the copy in the place of the file.
    func restore(_ item: SnapshotManifest.Item) async throws(TidegateError) {
        let (copy, packed) = try paths()
        defer { for path in [copy, packed] { try? FileManager.default.removeItem(atPath: path) } }
        try await store.get(item.key, into: packed)
        try ZstandardFile.decompress(packed, into: copy, size: item.size, crc: item.crc)
        do {
            // The copy says on which start of the machine it was made; from here on it is a file of this one.
            let queue = try DatabaseQueue(path: copy, configuration: Self.plain)
            try queue.inDatabase { try file.identity.adopt($0) }
            try queue.close()
            try file.remove()
            let folder = (file.path as NSString).deletingLastPathComponent
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try FileManager.default.moveItem(atPath: copy, toPath: file.path)
        } catch {
            throw .database(error, "Taking the copy \(item.key) over")
        }
    }

    private func paths() throws(TidegateError) -> (copy: String, packed: String) {
        counter += 1
        do {
            try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
        } catch {
            throw TidegateError(.unavailable, "The folder \(scratch) cannot be made.", cause: error)
        }
        let name = "\(scratch)/\(file.identity.gateway)-\(counter)"
        return (name, name + ".zst")
    }

    private static var plain: Configuration {
        var configuration = Configuration()
        configuration.label = "tidegate.copy"
        configuration.prepareDatabase { db in
            try db.execute(sql: "PRAGMA synchronous = OFF")
            try db.execute(sql: "PRAGMA journal_mode = MEMORY")
        }
        return configuration
    }
}

/// The content of a database as of one moment.
struct PinnedDatabase: PinnedContent {
    let queue: DatabaseQueue
    let appliedN: LogIndex
    let copies: DatabaseCopies

    func store(at key: String) async throws -> SnapshotManifest.Item {
        try await copies.store(queue, appliedN: appliedN, at: key)
    }

    func letGo() async { await copies.letGo(queue) }
}

/// The same, as a file of its own.
struct PinnedCopy: PinnedContent {
    let path: String
    let appliedN: LogIndex
    let copies: DatabaseCopies

    func store(at key: String) async throws -> SnapshotManifest.Item {
        let packed = path + ".zst"
        defer { for name in [path, packed] { try? FileManager.default.removeItem(atPath: name) } }
        return try await copies.store(file: path, packed: packed, appliedN: appliedN, at: key)
    }

    func letGo() async { try? FileManager.default.removeItem(atPath: path) }
}

extension GatewayLog {
    package func pin(asCopy: Bool) async throws -> any PinnedContent {
        guard asCopy else { return try await copies.pin(appliedN: try await appliedMark()) }
        return try await copied()
    }
}
