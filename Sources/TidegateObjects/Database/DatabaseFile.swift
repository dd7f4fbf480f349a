internal import Foundation
internal import GRDB
internal import TidegateCore

/// One database file: how it is opened for writing and for scans, and when it is thrown away.
struct DatabaseFile: Sendable {
    let path: String
    let identity: DatabaseIdentity

    /// - Returns: `nil` when there is no file, or none that can be kept.
    func openIfFaithful() throws -> DatabaseQueue? {
        guard FileManager.default.fileExists(atPath: path), let kept = try? connect(readOnly: false) else { return nil }
        if (try? kept.inDatabase { try identity.matches($0) }) == true { return kept }
        try? kept.close()
        return nil
    }

    /// Starts an empty one in the place of whatever was there.
    func replace() throws -> DatabaseQueue {
        try remove()
        let folder = (path as NSString).deletingLastPathComponent
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let fresh = try connect(readOnly: false)
        try fresh.inDatabase { db in
            try db.inTransaction(.immediate) {
                try DatabaseSchema.create(db)
                try identity.write(db)
                return .commit
            }
        }
        return fresh
    }

    /// Opens a file that was good before: it must still be.
    func reopen() throws -> DatabaseQueue {
        let queue = try connect(readOnly: false)
        guard try queue.inDatabase({ try identity.matches($0) }) else {
            try? queue.close()
            throw TidegateError(.corrupt, "The database file \(path) changed while it was closed. Open it anew.")
        }
        return queue
    }

    /// `synchronous=OFF`: the log is the truth, the file only has to survive the process. Pages of 16 KiB halve the cost of
    /// an insert. The writer checkpoints by itself, between transactions.
    ///
    /// - Parameter isPinned: a transaction may stay open from one access to the next.
    func connect(readOnly: Bool, isPinned: Bool = false) throws -> DatabaseQueue {
        SQLiteLibrary.configure()
        var configuration = Configuration()
        configuration.readonly = readOnly
        configuration.allowsUnsafeTransactions = isPinned
        configuration.busyMode = .timeout(5)
        configuration.label = "tidegate.gateway"
        configuration.prepareDatabase { db in
            if !readOnly {
                try db.execute(sql: "PRAGMA page_size = 16384")
                try db.execute(sql: "PRAGMA journal_mode = WAL")
                try db.execute(sql: "PRAGMA synchronous = OFF")
                try db.execute(sql: "PRAGMA wal_autocheckpoint = 0")
                try db.execute(sql: "PRAGMA journal_size_limit = 16777216")
            }
            try db.execute(sql: "PRAGMA cache_size = -2048")
            try db.execute(sql: "PRAGMA temp_store = MEMORY")
        }
        return try DatabaseQueue(path: path, configuration: configuration)
    }

    func remove() throws {
        for suffix in ["", "-wal", "-shm", "-journal"]
        where FileManager.default.fileExists(atPath: path + suffix) {
            try FileManager.default.removeItem(atPath: path + suffix)
        }
    }
}
