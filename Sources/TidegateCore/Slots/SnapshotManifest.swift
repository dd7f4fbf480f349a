/// What a snapshot of a slot consists of: one copy of each gateway's database, all standing at the same place of the log.
/// JSON, so that people can read it in need.
package struct SnapshotManifest: Equatable, Sendable, Codable {
    /// A copy of one gateway's database: SQLite, as one zstd frame.
    package struct Item: Equatable, Sendable, Codable {
        /// The gateway, 32 hexadecimal digits.
        package var uid: String
        /// Key in the object store; a database that did not change keeps the one of the snapshot before.
        package var key: String
        /// CRC-32C and length of the object's bytes.
        package var crc: UInt32
        package var size: Int
        /// Newest log object with an entry for this gateway.
        package var appliedN: LogIndex

        package init(uid: String, key: String, crc: UInt32, size: Int, appliedN: LogIndex) {
            self.uid = uid
            self.key = key
            self.crc = crc
            self.size = size
            self.appliedN = appliedN
        }
    }

    /// A gateway whose deletion is in the log.
    package struct Ended: Equatable, Sendable, Codable {
        /// 32 hexadecimal digits.
        package var uid: String
        /// The log object that ends it.
        package var n: LogIndex

        package init(uid: String, n: LogIndex) {
            self.uid = uid
            self.n = n
        }
    }

    /// Half a megabyte of JSON. Whoever deletes more gateways of one slot than that, and then restores a backup from
    /// before all of it, finds the oldest of them alive and empty.
    package static let endedMax = 8_192

    package var slot: String
    package var epoch: Epoch
    package var n: LogIndex
    /// CRC-32C of log object `n`: the replay goes on from it.
    package var logCRC: UInt32
    /// Committed objects whose entries are lost, and therefore missing in every database here (A8).
    package var holes: [LogIndex]
    package var gateways: [Item]
    /// The newest `endedMax` deletions. Whoever adopts a restored coordination store has no other way to know of those that
    /// the log has forgotten.
    package var ended: [Ended]

    package init(
        slot: String, epoch: Epoch, n: LogIndex, logCRC: UInt32, holes: [LogIndex], gateways: [Item], ended: [Ended]
    ) {
        self.slot = slot
        self.epoch = epoch
        self.n = n
        self.logCRC = logCRC
        self.holes = holes
        self.gateways = gateways
        self.ended = ended
    }

    /// Builds before the list of ended gateways wrote none: their snapshots can be read on.
    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        slot = try values.decode(String.self, forKey: .slot)
        epoch = try values.decode(Epoch.self, forKey: .epoch)
        n = try values.decode(LogIndex.self, forKey: .n)
        logCRC = try values.decode(UInt32.self, forKey: .logCRC)
        holes = try values.decode([LogIndex].self, forKey: .holes)
        gateways = try values.decode([Item].self, forKey: .gateways)
        ended = try values.decodeIfPresent([Ended].self, forKey: .ended) ?? []
    }

    /// - Throws: `.corrupt` unless these are the bytes that `pointer` means.
    package init(decoding bytes: [UInt8], of pointer: SnapshotPointer) throws(TidegateError) {
        guard bytes.count == pointer.size, CRC32C.checksum(bytes) == pointer.crc else {
            throw TidegateError(.corrupt, "The manifest \(pointer.manifest) is damaged.")
        }
        self = try DocumentCoding.decode(
            from: KeyValue(key: pointer.manifest, value: bytes, createRevision: 0, modRevision: 0))
        guard n == pointer.n else {
            throw TidegateError(.corrupt, "The manifest \(pointer.manifest) is of another snapshot.")
        }
    }

    package func encoded() throws(TidegateError) -> [UInt8] { try DocumentCoding.encode(self) }

    /// Database objects that only this snapshot names.
    package func garbage(retaining others: [SnapshotManifest]) -> [String] {
        let kept = Set(others.flatMap { $0.gateways.map(\.key) })
        return gateways.map(\.key).filter { !kept.contains($0) }
    }
}
