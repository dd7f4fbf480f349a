internal import Foundation

/// `slot/<s>/own`: who may write. Immutable within an epoch, so that its mod-revision is the fence (A2, A3).
package struct SlotOwner: Equatable, Sendable, Codable {
    package enum State: String, Sendable, Codable { case owned, free }
    /// Claims since `sinceMs`: many in a short time mean that something in the log kills its owners (A13).
    package struct Claims: Equatable, Sendable, Codable {
        package var count: Int
        package var sinceMs: Int64
        package init(count: Int, sinceMs: Int64) {
            self.count = count
            self.sinceMs = sinceMs
        }
    }

    package var epoch: Epoch
    /// The claimer's incarnation, 32 hexadecimal digits. Random per process, so that a claim recognises itself.
    package var inc: String?
    package var state: State
    package var claims: Claims
    /// Node that the last owner would like to see here next; only of a free slot.
    package var hint: String?
    /// Lowest format version that can read the slot's log (A30); absent is 1.
    package var minReader: Int?

    package init(
        epoch: Epoch, inc: String?, state: State, claims: Claims, hint: String? = nil, minReader: Int? = nil
    ) {
        self.epoch = epoch
        self.inc = inc
        self.state = state
        self.claims = claims
        self.hint = hint
        self.minReader = minReader
    }
}

/// `slot/<s>/head`: the newest committed log object. Moving it is the commit.
package struct SlotHead: Equatable, Sendable, Codable {
    package var n: LogIndex
    package var epoch: Epoch
    package var len: Int
    package var crc: UInt32
    package var prevCrc: UInt32

    package init(n: LogIndex, epoch: Epoch, len: Int, crc: UInt32, prevCrc: UInt32) {
        self.n = n
        self.epoch = epoch
        self.len = len
        self.crc = crc
        self.prevCrc = prevCrc
    }
}

/// One epoch's share of a slot's log: it wrote the objects from `firstN` up to the next step's. Written `[epoch, firstN]`,
/// with the generation behind it where that is not the present one.
package struct LineageStep: Equatable, Sendable, Codable {
    package var epoch: Epoch
    package var firstN: LogIndex
    /// Generation whose prefix the objects' keys have; `nil` is the present one.
    package var generation: Int?

    package init(epoch: Epoch, firstN: LogIndex, generation: Int? = nil) {
        self.epoch = epoch
        self.firstN = firstN
        self.generation = generation
    }

    package init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        epoch = try container.decode(Epoch.self)
        firstN = try container.decode(LogIndex.self)
        generation = container.isAtEnd ? nil : try container.decode(Int.self)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        try container.encode(epoch)
        try container.encode(firstN)
        if let generation { try container.encode(generation) }
    }
}

/// Where a snapshot's manifest lies, and what it must be.
package struct SnapshotPointer: Equatable, Hashable, Sendable, Codable {
    /// Key in the object store.
    package var manifest: String
    /// The snapshot holds the effects of the log up to and including this object.
    package var n: LogIndex
    /// CRC-32C and length of the manifest's bytes.
    package var crc: UInt32
    package var size: Int

    package init(manifest: String, n: LogIndex, crc: UInt32, size: Int) {
        self.manifest = manifest
        self.n = n
        self.crc = crc
        self.size = size
    }
}

/// `slot/<s>/snap`: the two retained snapshots, and which epochs wrote the log behind the older one.
package struct SlotSnapshot: Equatable, Sendable, Codable {
    package var cur: SnapshotPointer?
    package var prev: SnapshotPointer?
    package var lineage: [LineageStep]

    package init(cur: SnapshotPointer? = nil, prev: SnapshotPointer? = nil, lineage: [LineageStep]) {
        self.cur = cur
        self.prev = prev
        self.lineage = lineage
    }

    /// The step that wrote object `n`: the last one that began at or before it. A claim that wrote nothing shares its
    /// `firstN` with its successor, which then counts.
    package func step(of n: LogIndex) -> LineageStep? { lineage.last { $0.firstN <= n } }
    package func epoch(of n: LogIndex) -> Epoch? { step(of: n)?.epoch }

    /// The snapshot `new` published over this one. The lineage keeps what recovery from the older of the two needs (A3).
    /// - Parameter kept: the older one from now on: the snapshot that this owner has really read or made, which is `cur`
    ///   unless that was unreadable.
    package func publishing(_ new: SnapshotPointer, keeping kept: SnapshotPointer?) -> SlotSnapshot {
        let first = (kept?.n ?? 0) + 1
        let steps = lineage.indices.filter { $0 == lineage.count - 1 || lineage[$0 + 1].firstN > first }
        return SlotSnapshot(cur: new, prev: kept, lineage: steps.map { lineage[$0] })
    }
}

/// JSON of the documents in the coordination store; keys sorted, so that equal documents are equal bytes.
package enum DocumentCoding {
    package static func encode(_ document: some Encodable) throws(TidegateError) -> [UInt8] {
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return Array(try encoder.encode(document))
        } catch {
            throw TidegateError(.internalError, "A document could not be written as JSON.", cause: error)
        }
    }

    package static func decode<Document: Decodable>(
        _: Document.Type = Document.self, from entry: KeyValue
    ) throws(TidegateError) -> Document {
        do {
            return try JSONDecoder().decode(Document.self, from: Data(entry.value))
        } catch {
            throw TidegateError(.corrupt, "The document at \(entry.key) cannot be read.", cause: error)
        }
    }
}
