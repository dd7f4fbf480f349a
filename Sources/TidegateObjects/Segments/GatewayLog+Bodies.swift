internal import GRDB
package import TidegateCore

extension GatewayLog {
    /// Reads the names of all long bodies once, on a connection for questions: applies go on meanwhile.
    package func bodies(namedAmong keys: Set<String>) async throws(TidegateError) -> Set<String> {
        try await scanning("Looking for bodies") { scanner, deadline in
            try await scanner.bodies(namedAmong: keys, by: deadline)
        }
    }
}

extension LogScanner {
    func bodies(namedAmong keys: Set<String>, by deadline: QueryDeadline) throws -> Set<String> {
        try reading(by: deadline) { db in
            var named: Set<String> = []
            func note(_ key: String) { if keys.contains(key) { named.insert(key) } }
            try db.run(
                """
                SELECT requestObject, responseObject FROM log WHERE requestObject <> '' OR responseObject <> ''
                """
            ) { row in
                note(row.text(0))
                note(row.text(1))
            }
            try db.run("SELECT bodyObjects FROM segment WHERE length(bodyObjects) > 1") { row in
                var reader = ByteReader(row.blob(0))
                for key in try reader.texts() { note(key) }
            }
            // Not this rule's: a retained snapshot may still name it.
            try db.run("SELECT key FROM garbage") { note($0.text(0)) }
            // What was set aside may be put right one day.
            for key in keys where !named.contains(key) {
                try db.run("SELECT 1 FROM quarantine WHERE instr(content, CAST(? AS BLOB)) > 0 LIMIT 1", [.text(key)]) {
                    _ in named.insert(key)
                }
            }
            return named
        }
    }
}
