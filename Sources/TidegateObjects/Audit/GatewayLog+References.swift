internal import GRDB
internal import TidegateCore

extension GatewayLog {
    /// Objects that the database names, with what is known of their bytes.
    struct Reference: Sendable {
        var key: String
        /// `nil` where only the object's being there can be tested.
        var crc: UInt32?
        var size: UInt64?
    }

    func references() async throws(TidegateError) -> [Reference] {
        try await read("Listing what the database names") { db, _ in
            var found: [Reference] = []
            try db.run("SELECT key, crc, storedBytes, packKey, packBytes FROM segment") { row in
                found.append(
                    Reference(
                        key: row.text(0), crc: UInt32(truncatingIfNeeded: row.integer(1)),
                        size: UInt64(bitPattern: row.integer(2))))
                let pack = row.text(3)
                guard !pack.isEmpty else { return }
                found.append(Reference(key: pack, crc: nil, size: UInt64(bitPattern: row.integer(4))))
            }
            try db.run("SELECT bodyObjects FROM segment WHERE length(bodyObjects) > 1") { row in
                var reader = ByteReader(row.blob(0))
                for key in try reader.texts() { found.append(Reference(key: key, crc: nil, size: nil)) }
            }
            for column in ["requestObject", "responseObject"] {
                try db.run("SELECT \(column) FROM log WHERE \(column) <> ''") { row in
                    found.append(Reference(key: row.text(0), crc: nil, size: nil))
                }
            }
            return found
        }
    }
}
