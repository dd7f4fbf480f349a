internal import GRDB
internal import TidegateCore

/// The words of a segment's bodies: an FTS5 table in its file, of gateways that ask for it. It keeps which rows have a word
/// and nothing else: neither the text nor places within it.
struct BodyIndex {
    static let table = """
        CREATE VIRTUAL TABLE body_text USING fts5(
            text, content='', detail=none, columnsize=0, tokenize='\(BodyWords.tokenizer)')
        """
    static let condition = "log.lsn IN (SELECT rowid FROM body_text WHERE body_text MATCH ?)"

    /// Rows are in `main.log` already.
    func add(_ bodies: ArraySlice<UInt8>, lsn: Int64, _ db: Database) throws {
        var text: [UInt8] = []
        try db.run("SELECT keptRequest, flags FROM main.log WHERE lsn = ?", [.integer(lsn)]) { row in
            text = Self.text(
                bodies, request: Int(clamping: row.integer(0)), isEventStream: Self.isEventStream(row.integer(1)))
        }
        guard !text.isEmpty else { return }
        var statement = try db.prepared("INSERT INTO main.body_text(rowid, text) VALUES(?, ?)")
        statement.bind(lsn)
        statement.bind(String(decoding: text, as: UTF8.self))
        try statement.run()
    }

    /// Merges what was written piece by piece.
    func finish(_ db: Database) throws {
        try db.run("INSERT INTO main.body_text(body_text) VALUES('optimize')")
    }

    /// - Parameter flags: as the row has them.
    static func isEventStream(_ flags: Int64) -> Bool {
        LogRecord.Flags(rawValue: UInt64(bitPattern: flags)).contains(.streamed)
    }

    /// - Parameter request: how many bytes of `bodies` are the request's.
    static func text(_ bodies: ArraySlice<UInt8>, request: Int, isEventStream: Bool) -> [UInt8] {
        let request = bodies.prefix(request)
        let response = bodies.dropFirst(request.count)
        return BodyText.of(request, isEventStream: false) + [0x0A]
            + BodyText.of(response, isEventStream: isEventStream)
    }
}
