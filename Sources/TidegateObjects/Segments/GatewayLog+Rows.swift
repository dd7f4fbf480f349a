internal import GRDB
internal import TidegateCore

/// A row that was looked for by its id, wherever it lies.
final class FoundLogRow: Sendable {
    let row: LogRow
    init(_ row: LogRow) { self.row = row }
}

extension GatewayLog {
    /// - Parameter withHeads: so many bytes of each body are read, if any are wanted.
    func found(_ id: RecordID, withHeads headBytes: Int) async throws(TidegateError) -> FoundLogRow? {
        let gateway = file.identity.gateway
        let hot = try await read("Reading a row") { db, meta -> (row: FoundLogRow?, hasSegments: Bool) in
            guard var row = try PointReads.row(id, gateway: gateway, db) else {
                return (nil, meta.segmentVersion != 0)
            }
            if headBytes > 0, let bodies = try PointReads.bodies(of: row, db) {
                row.show(bodies, headBytes: headBytes)
            }
            return (FoundLogRow(row), false)
        }
        if let row = hot.row { return row }
        guard hot.hasSegments else { return nil }
        return try await scanning("Reading a row") { [segments] scanner, deadline in
            try await segments.row(id, withHeads: headBytes, with: scanner, by: deadline)
        }
    }
}

extension Segments {
    /// Ids are roughly in the order of time: one or two segments can have it.
    fileprivate func row(
        _ id: RecordID, withHeads headBytes: Int, with scanner: LogScanner, by deadline: QueryDeadline
    ) async throws -> FoundLogRow? {
        let list = try await scanner.list(by: deadline)
        for segment in list.segments.reversed() where segment.zone.ids.contains(id.bits) {
            let found = try await visit(segment, with: scanner, by: deadline) {
                [gateway = scanner.gateway] db, hasTombstones in
                try PointReads.sealedRow(id, gateway: gateway, hasTombstones: hasTombstones, db)
            }
            guard let found else { continue }
            var row = found.row
            if headBytes > 0, let block = found.block {
                let end = block.offset.adding(block.stored)
                let stored: [UInt8]
                do throws(TidegateError) {
                    stored = try await store.get(segment.packKey, range: Int(block.offset)..<Int(end))
                } catch {
                    if error.code == .notFound { throw SegmentGone() }
                    throw error
                }
                let plain = try block.unpack(stored)
                let bodiesEnd = found.position + row.keptRequestBytes + row.keptResponseBytes
                guard found.position >= 0, bodiesEnd <= plain.count else {
                    throw TidegateError(.corrupt, "A block of bodies does not fit its rows.")
                }
                row.show(Array(plain[found.position..<bodiesEnd]), headBytes: headBytes)
            }
            return FoundLogRow(row)
        }
        return nil
    }
}

/// A sealed row, and where its bodies are.
final class SealedRow: Sendable {
    let row: LogRow
    let block: BodyBlock?
    /// Of its bodies in the unpacked block.
    let position: Int

    init(_ row: LogRow, block: BodyBlock?, position: Int) {
        (self.row, self.block, self.position) = (row, block, position)
    }
}

extension PointReads {
    static func sealedRow(
        _ id: RecordID, gateway: GatewayUID, hasTombstones: Bool, _ db: Database
    ) throws -> SealedRow? {
        guard let row = try row(id, gateway: gateway, db) else { return nil }
        let place = SQLValue.integer(row.lsn.stored)
        if hasTombstones {
            var isBuried = false
            try db.run("SELECT 1 FROM temp.tombstone WHERE lsn = ?", [place]) { _ in isBuried = true }
            if isBuried { return nil }
        }
        guard row.keptRequestBytes + row.keptResponseBytes > 0 else { return SealedRow(row, block: nil, position: 0) }
        var block: BodyBlock?
        try db.run("SELECT * FROM block WHERE first <= ? ORDER BY first DESC LIMIT 1", [place]) { block = .read($0) }
        guard let block, block.last >= row.lsn.stored else {
            throw TidegateError(.corrupt, "The segment says of a row's bodies that they are nowhere.")
        }
        var position = 0
        try db.run(
            "SELECT ifnull(sum(keptRequest + keptResponse), 0) FROM log WHERE lsn >= ? AND lsn < ?",
            [.integer(block.first), place]
        ) { position = Int($0.integer(0)) }
        return SealedRow(row, block: block, position: position)
    }
}

extension LogRow {
    /// - Parameter bodies: the request's, then the response's.
    fileprivate mutating func show(_ bodies: [UInt8], headBytes: Int) {
        requestHead = Array(bodies.prefix(min(headBytes, keptRequestBytes)))
        responseHead = Array(bodies.dropFirst(keptRequestBytes).prefix(headBytes))
    }
}
