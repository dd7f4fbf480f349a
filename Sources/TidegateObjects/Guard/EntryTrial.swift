internal import Foundation
internal import GRDB
package import TidegateCore

/// Tries entries out where they can do no harm: in a process of its own, on databases in memory (A13).
package protocol EntryGuard: Sendable {
    /// - Returns: places of entries that end the process which applies them.
    func poison(in object: [UInt8]) async throws(TidegateError) -> Set<LSN>
}

/// The trial itself, as the child process runs it: applies an object's entries one by one and says each one's place before
/// it does. The last place said is the one that ended it.
package struct EntryTrial {
    /// Said at the end: everything was applied.
    package static let end = UInt64.max

    private let skipped: Set<UInt64>

    /// - Parameter skipped: places that are known to be poison.
    package init(skipping skipped: Set<UInt64>) { self.skipped = skipped }

    /// - Parameter say: writes eight bytes, little-endian, and does not return before they left the process.
    package func run(_ bytes: [UInt8], say: (UInt64) throws -> Void) throws {
        let object = try LogObject(decoding: bytes)
        for section in object.sections {
            let queue = try DatabaseQueue()
            try queue.inDatabase { db in
                try DatabaseSchema.create(db)
                let identity = DatabaseIdentity(gateway: section.gateway, slot: object.slot, bootID: "trial")
                try identity.write(db)
                guard let meta = try DatabaseMeta.read(db) else { return }
                let codec = BodyCodec()
                for entry in section.entries where !skipped.contains(entry.lsn.rawValue) {
                    try say(entry.lsn.rawValue)
                    try db.inTransaction(.immediate) {
                        var application = EntryApplication(db: db, gateway: section.gateway, codec: codec, meta: meta)
                        try application.apply(entry)
                        return .rollback
                    }
                }
            }
        }
        try say(Self.end)
    }
}
