internal import Foundation
internal import GRDB
package import TidegateCore

/// A segment that is stored, and the entry that makes it part of the log once it is committed. Until then nobody knows the
/// objects: a crash leaves them unreferenced, under a name that is never used again.
package final class SegmentProposal: Sendable {
    package let entry: GatewayEntry
    package init(_ entry: GatewayEntry) { self.entry = entry }
}

/// Which segment to make.
package final class SegmentRequest: Sendable {
    let work: SealCore.Work
    let key: String
    let indexesBodies: Bool

    /// - Parameters:
    ///   - key: never used before.
    ///   - indexesBodies: whether the segment shall know the words of its bodies.
    package init(_ work: SealCore.Work, key: String, indexesBodies: Bool = false) {
        (self.work, self.key, self.indexesBodies) = (work, key, indexesBodies)
    }
}

extension GatewayLog {
    @concurrent package nonisolated func propose(_ request: SegmentRequest) async throws -> SegmentProposal? {
        switch request.work {
        case .seal: try await proposeSeal(request)
        case .compact(let keys): try await proposeCompaction(of: keys, request)
        }
    }

    /// What decides about seals and compactions. Cheap whatever the number of rows.
    package func sealingState() async throws(TidegateError) -> SealingReport {
        try await read("Looking at sealed rows") { db, meta in
            var state = SealingState()
            var sealed: Int64 = 0
            try db.run(
                """
                SELECT key, rows, live, tombstones, edited, version, fileBytes + packBytes FROM segment ORDER BY first
                """
            ) { row in
                sealed += row.integer(2)
                state.segments.append(
                    SealingState.Segment(
                        key: row.text(0), rows: row.integer(1), live: row.integer(2),
                        change: row.integer(3) > 0 || row.integer(4) > 0 ? UInt64(bitPattern: row.integer(5)) : nil,
                        bytes: row.integer(6)))
            }
            state.hotRows = meta.live - sealed
            var (pages, free, size) = (Int64(0), Int64(0), Int64(0))
            try db.run("PRAGMA page_count") { pages = $0.integer(0) }
            try db.run("PRAGMA freelist_count") { free = $0.integer(0) }
            try db.run("PRAGMA page_size") { size = $0.integer(0) }
            // What a seal took is not counted, and not yet gone: then only rows count.
            state.hotBytes = try SealedRows.remain(meta, db) ? 0 : (pages - free) * size
            return SealingReport(state)
        }
    }

    /// Stores the oldest hot rows as a segment.
    /// - Returns: `nil` when there is none. The rows stay hot until the entry is applied.
    @concurrent private nonisolated func proposeSeal(_ request: SegmentRequest) async throws -> SegmentProposal? {
        do {
            let builder = SegmentBuilder(segments, hot: file.path, indexesBodies: request.indexesBodies)
            let built = try await segments.threads.perform { try builder.seal(key: request.key) }
            guard let built else { return nil }
            try await segments.store(built)
            return SegmentProposal(.sealed(built.description))
        } catch {
            throw TidegateError.database(error, "Sealing rows")
        }
    }

    /// Stores neighbours as one segment, without what was deleted and with what was said later.
    /// - Parameter keys: of at most 8 segments, oldest first.
    /// - Throws: `.conflict` when one of them is no part of the log.
    @concurrent private nonisolated func proposeCompaction(
        of keys: [String], _ request: SegmentRequest
    ) async throws -> SegmentProposal? {
        let list = try await segmentList()
        do {
            let sources = try await segments.sources(keys, list, key: request.key)
            let builder = SegmentBuilder(segments, hot: file.path, indexesBodies: request.indexesBodies)
            let built = try await segments.threads.perform { try builder.compact(sources, key: request.key) }
            guard let built else {
                return SegmentProposal(.compacted(replaced: keys, by: []))
            }
            try await segments.store(built)
            return SegmentProposal(.compacted(replaced: keys, by: [built.description]))
        } catch {
            throw TidegateError.database(error, "Rewriting segments")
        }
    }

    private func segmentList() async throws(TidegateError) -> SegmentList {
        try await scanning("Rewriting segments") { scanner, deadline in try await scanner.list(by: deadline) }
    }

    /// Keys of objects that no row has needed since log object `n` or longer: to be deleted once no retained snapshot is
    /// older than that.
    package func garbage(through n: LogIndex) async throws(TidegateError) -> [String] {
        try await read("Listing garbage") { db, _ in
            var keys: [String] = []
            try db.run("SELECT key FROM garbage WHERE n <= ? ORDER BY n, key", [.integer(Int64(clamping: n))]) {
                keys.append($0.text(0))
            }
            return keys
        }
    }

    package func segmentObjects() async throws(TidegateError) -> [String] {
        try await read("Listing segments") { db, _ in
            var keys: [String] = []
            try db.run("SELECT key, packKey FROM segment") { row in
                keys += [row.text(0), row.text(1)].filter { !$0.isEmpty }
            }
            try db.run("SELECT key FROM garbage") { keys.append($0.text(0)) }
            return keys
        }
    }
}

extension Segments {
    @concurrent fileprivate func store(_ built: BuiltSegment) async throws {
        if let pack = built.pack { try await store.put(contentsOf: pack, at: built.description.packKey) }
        try await store.put(contentsOf: built.compressed, at: built.description.key)
        cache.adopt(built.file, key: built.description.key)
    }

    /// Files of segments that are to be rewritten.
    @concurrent fileprivate func sources(
        _ keys: [String], _ list: SegmentList, key: String
    ) async throws -> [SegmentSource] {
        var sources: [SegmentSource] = []
        for (index, wanted) in keys.enumerated() {
            guard let view = list.segments.first(where: { $0.key == wanted }) else {
                throw TidegateError(.conflict, "A segment was replaced before it was rewritten.")
            }
            let source = SegmentSource(key: wanted, lease: try await cache.acquire(view))
            sources.append(source)
            guard !view.packKey.isEmpty else { continue }
            let path = "\(workFolder)/\(key.replacing("/", with: "_")).from\(index)"
            try FileManager.default.createDirectory(
                atPath: workFolder, withIntermediateDirectories: true)
            try await store.get(view.packKey, into: path)
            sources[index] = SegmentSource(key: wanted, lease: source.lease, pack: path)
        }
        return sources
    }
}

/// A segment that is being rewritten; its pack's copy goes with it.
final class SegmentSource: Sendable {
    let key: String
    let lease: SegmentLease
    let pack: String?

    init(key: String, lease: SegmentLease, pack: String? = nil) {
        (self.key, self.lease, self.pack) = (key, lease, pack)
    }

    deinit { if let pack { try? FileManager.default.removeItem(atPath: pack) } }
}
