internal import CLMDB
internal import Glibc
internal import TidegateCore

/// One LMDB environment with our three tables. Every call comes from one thread.
///
/// Safe because: `LMDBCoordinationStore` uses it on its own single thread only, and `close` there as the last call.
final class LMDBEnvironment: @unchecked Sendable {
    struct Tables {
        /// Key → createRevision, modRevision (8 bytes each, little-endian), value.
        var entries: MDB_dbi = 0
        /// Key → lease, for keys put under one.
        var leased: MDB_dbi = 0
        /// `revision` and `opened` → 8 bytes.
        var meta: MDB_dbi = 0
    }

    private let environment: OpaquePointer
    private(set) var tables = Tables()
    private(set) var mapBytes: Int

    init(directory: String, mapBytes: Int) throws(LMDBFailure) {
        self.mapBytes = mapBytes
        var opened: OpaquePointer?
        try LMDBFailure.check("mdb_env_create", mdb_env_create(&opened))
        guard let opened else { throw LMDBFailure(call: "mdb_env_create", code: ENOMEM) }
        environment = opened
        do throws(LMDBFailure) {
            try LMDBFailure.check("mdb_env_set_mapsize", mdb_env_set_mapsize(opened, mapBytes))
            try LMDBFailure.check("mdb_env_set_maxdbs", mdb_env_set_maxdbs(opened, 4))
            // Without flags that relax it, a commit returns after data and meta page are synced.
            try LMDBFailure.check("mdb_env_open", mdb_env_open(opened, directory, UInt32(MDB_NOTLS), 0o600))
            tables = try write { transaction throws(LMDBFailure) in
                Tables(
                    entries: try transaction.table("entries"), leased: try transaction.table("leased"),
                    meta: try transaction.table("meta"))
            }
        } catch {
            mdb_env_close(opened)
            throw error
        }
    }

    /// Opens what another process may be writing to. Not for `write`.
    init(reading directory: String) throws(LMDBFailure) {
        mapBytes = 1 << 40  // address space only: at least as large as the writer's map
        var opened: OpaquePointer?
        try LMDBFailure.check("mdb_env_create", mdb_env_create(&opened))
        guard let opened else { throw LMDBFailure(call: "mdb_env_create", code: ENOMEM) }
        environment = opened
        do throws(LMDBFailure) {
            try LMDBFailure.check("mdb_env_set_maxdbs", mdb_env_set_maxdbs(opened, 4))
            try LMDBFailure.check(
                "mdb_env_open", mdb_env_open(opened, directory, UInt32(MDB_NOTLS | MDB_RDONLY), 0o600))
            let transaction = try begin(UInt32(MDB_RDONLY))
            do throws(LMDBFailure) {
                tables = Tables(
                    entries: try transaction.table("entries", creating: false),
                    leased: try transaction.table("leased", creating: false),
                    meta: try transaction.table("meta", creating: false))
            } catch {
                mdb_txn_abort(transaction.pointer)
                throw error
            }
            // Committed, so that the tables' handles outlive it.
            try LMDBFailure.check("mdb_txn_commit", mdb_txn_commit(transaction.pointer))
        } catch {
            mdb_env_close(opened)
            throw error
        }
    }

    func close() { mdb_env_close(environment) }

    /// Doubles the map. Only between transactions.
    func grow() throws(LMDBFailure) {
        mapBytes *= 2
        try LMDBFailure.check("mdb_env_set_mapsize", mdb_env_set_mapsize(environment, mapBytes))
    }

    func read<Value>(_ body: (LMDBTransaction) throws(LMDBFailure) -> Value) throws(LMDBFailure) -> Value {
        let transaction = try begin(UInt32(MDB_RDONLY))
        defer { mdb_txn_abort(transaction.pointer) }
        return try body(transaction)
    }

    /// Reads on the one thread that this environment is used on.
    func reading<Value: Sendable>(
        on thread: WorkerThreads, _ body: @escaping @Sendable (LMDBLedger) throws(LMDBFailure) -> Value
    ) async throws(TidegateError) -> Value {
        try await thread.run { () throws(TidegateError) in
            do throws(LMDBFailure) {
                return try self.read { transaction throws(LMDBFailure) in try body(LMDBLedger(transaction)) }
            } catch { throw error.error }
        }
    }

    /// Commits what `body` changed, or nothing when it throws.
    func write<Value>(_ body: (LMDBTransaction) throws(LMDBFailure) -> Value) throws(LMDBFailure) -> Value {
        let transaction = try begin(0)
        let value: Value
        do throws(LMDBFailure) { value = try body(transaction) } catch {
            mdb_txn_abort(transaction.pointer)
            throw error
        }
        try LMDBFailure.check("mdb_txn_commit", mdb_txn_commit(transaction.pointer))
        return value
    }

    private func begin(_ flags: UInt32) throws(LMDBFailure) -> LMDBTransaction {
        var pointer: OpaquePointer?
        try LMDBFailure.check("mdb_txn_begin", mdb_txn_begin(environment, nil, flags, &pointer))
        guard let pointer else { throw LMDBFailure(call: "mdb_txn_begin", code: ENOMEM) }
        return LMDBTransaction(pointer: pointer, tables: tables)
    }
}

/// An open LMDB transaction; not used after the closure that it was handed to.
struct LMDBTransaction {
    let pointer: OpaquePointer
    let tables: LMDBEnvironment.Tables

    func table(_ name: String, creating: Bool = true) throws(LMDBFailure) -> MDB_dbi {
        var table: MDB_dbi = 0
        try LMDBFailure.check(
            "mdb_dbi_open", mdb_dbi_open(pointer, name, creating ? UInt32(MDB_CREATE) : 0, &table))
        return table
    }

    /// - Returns: a copy; LMDB's own bytes move with the next write.
    func get(_ table: MDB_dbi, _ key: String) throws(LMDBFailure) -> [UInt8]? {
        var value = MDB_val()
        let code = with(key) { mdb_get(pointer, table, $0, &value) }
        if code == MDB_NOTFOUND { return nil }
        try LMDBFailure.check("mdb_get", code)
        return [UInt8](UnsafeRawBufferPointer(start: value.mv_data, count: value.mv_size))
    }

    func put(_ table: MDB_dbi, _ key: String, _ value: [UInt8]) throws(LMDBFailure) {
        let code = value.withUnsafeBytes { bytes in
            var held = MDB_val(
                mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
            return with(key) { mdb_put(pointer, table, $0, &held, 0) }
        }
        try LMDBFailure.check("mdb_put", code)
    }

    /// - Returns: whether it was there.
    @discardableResult
    func delete(_ table: MDB_dbi, _ key: String) throws(LMDBFailure) -> Bool {
        let code = with(key) { mdb_del(pointer, table, $0, nil) }
        if code == MDB_NOTFOUND { return false }
        try LMDBFailure.check("mdb_del", code)
        return true
    }

    /// Visits keys from `start` on in byte order until `visit` answers `false`.
    func scan(
        _ table: MDB_dbi, from start: String, _ visit: (String, UnsafeRawBufferPointer) -> Bool
    ) throws(LMDBFailure) {
        var cursor: OpaquePointer?
        try LMDBFailure.check("mdb_cursor_open", mdb_cursor_open(pointer, table, &cursor))
        defer { mdb_cursor_close(cursor) }
        var key = MDB_val()
        var value = MDB_val()
        var code =
            start.isEmpty
            ? mdb_cursor_get(cursor, &key, &value, MDB_FIRST)
            : with(start) { held in
                key = held.pointee
                return mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE)
            }
        while code == MDB_SUCCESS {
            let name = String(
                decoding: UnsafeRawBufferPointer(start: key.mv_data, count: key.mv_size), as: UTF8.self)
            guard visit(name, UnsafeRawBufferPointer(start: value.mv_data, count: value.mv_size)) else { return }
            code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)
        }
        if code != MDB_NOTFOUND { try LMDBFailure.check("mdb_cursor_get", code) }
    }

    private func with<Value>(_ key: String, _ body: (UnsafeMutablePointer<MDB_val>) -> Value) -> Value {
        var key = key
        return key.withUTF8 { bytes in
            var held = MDB_val(
                mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
            return body(&held)
        }
    }
}
