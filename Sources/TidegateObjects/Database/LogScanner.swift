internal import GRDB
internal import TidegateCore

/// A read-only connection for questions that may take long: applies go on meanwhile, in WAL mode neither waits for the
/// other. Opens on first use.
actor LogScanner {
    private let file: DatabaseFile
    private let strand: DatabaseStrand
    private var queue: DatabaseQueue?

    nonisolated var unownedExecutor: UnownedSerialExecutor { strand.asUnownedSerialExecutor() }

    init(file: DatabaseFile, strand: DatabaseStrand) {
        self.file = file
        self.strand = strand
    }

    func page(_ scan: LogScan, by deadline: QueryDeadline) throws(TidegateError) -> LogScan.Answer {
        try snapshot(by: deadline) { db in
            try scan.page(db, gateway: file.identity.gateway, slot: file.identity.slot)
        }
    }

    func places(_ scan: LogScan, limit: Int, by deadline: QueryDeadline) throws(TidegateError) -> [UInt64] {
        try snapshot(by: deadline) { try scan.places($0, limit: limit) }
    }

    func close() {
        try? queue?.close()
        queue = nil
    }

    /// Rows and totals come from one state of the database.
    private func snapshot<Value>(by deadline: QueryDeadline, _ body: (Database) throws -> Value) throws(TidegateError)
        -> Value
    {
        do {
            let queue = try queue ?? file.connect(readOnly: true)
            self.queue = queue
            return try queue.inDatabase { db in
                var value: Value?
                try deadline.enforce(on: db) {
                    try db.inTransaction(.deferred) {
                        value = try body(db)
                        return .commit
                    }
                }
                guard let value else { throw TidegateError(.internalError, "A query ended without an answer.") }
                return value
            }
        } catch {
            throw .database(error, "The query")
        }
    }
}
