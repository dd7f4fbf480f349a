internal import Foundation

/// `slot/<s>/own`: who may write. Immutable within an epoch, so that its mod-revision is the fence (A2, A3).
package struct SlotOwner: Equatable, Sendable, Codable {
    package enum State: String, Sendable, Codable { case owned, free }
    package struct Claims: Equatable, Sendable, Codable {
        package var count: Int
        package var sinceMs: Int64
    }

    package var epoch: Epoch
    /// The claimer's incarnation, 32 hexadecimal digits. Random per process, so that a claim recognises itself.
    package var inc: String?
    package var state: State
    package var claims: Claims
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

/// One epoch's share of a slot's log: it wrote the objects from `firstN` up to the next step's. Written `[epoch, firstN]`.
package struct LineageStep: Equatable, Sendable, Codable {
    package var epoch: Epoch
    package var firstN: LogIndex

    package init(epoch: Epoch, firstN: LogIndex) {
        self.epoch = epoch
        self.firstN = firstN
    }

    package init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        epoch = try container.decode(Epoch.self)
        firstN = try container.decode(LogIndex.self)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        try container.encode(epoch)
        try container.encode(firstN)
    }
}

/// `slot/<s>/snap`: which epochs wrote the log that recovery reads. Snapshots join it in a later format.
package struct SlotSnapshot: Equatable, Sendable, Codable {
    package var lineage: [LineageStep]
    package init(lineage: [LineageStep]) { self.lineage = lineage }

    /// The epoch that wrote object `n`: the last step that began at or before it. A claim that wrote nothing shares its
    /// `firstN` with its successor, which then counts.
    package func epoch(of n: LogIndex) -> Epoch? { lineage.last { $0.firstN <= n }?.epoch }
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
