internal import Foundation
internal import GRDB
package import TidegateCore

/// A segment that is stored, and the entry that makes it part of the log once it is committed. Until then nobody knows the
/// objects: a crash leaves them unreferenced, under a name that is never used again.
package final class SegmentProposal: Sendable {
    package let entry: GatewayEntry
    package init(_ entry: GatewayEntry) { self.entry = entry }
}

extension GatewayLog {
    /// What decides about seals and compactions. Cheap whatever the number of rows.
    package func sealingState() async throws(TidegateError) -> SealingState {
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
            state.hotBytes = (pages - free) * size
            return state
        }
    }

    /// Stores the oldest hot rows as a segment.
    /// - Parameter key: never used before.
    /// - Returns: `nil` when there is none. The rows stay hot until the entry is applied.
    package func proposeSeal(key: String) async throws(TidegateError) -> SegmentProposal? {
        let builder = builder
        return try await proposing("Sealing rows") { works in
            guard let built = try await works.seal(builder, key: key) else { return nil }
            try await self.store(built)
            return SegmentProposal(.sealed(built.description))
        }
    }

    /// Stores neighbours as one segment, without what was deleted and with what was said later.
    /// - Parameter keys: of at most 8 segments, oldest first.
    /// - Throws: `.conflict` when one of them is no part of the log.
    package func proposeCompaction(of keys: [String], key: String) async throws(TidegateError) -> SegmentProposal? {
        let builder = builder
        let list = try await scanning("Rewriting segments") { scanner, deadline in
            try await scanner.list(by: deadline)
        }
        return try await proposing("Rewriting segments") { works in
            let sources = try await self.sources(keys, list, key: key)
            guard let built = try await works.compact(builder, sources, key: key) else {
                return SegmentProposal(.compacted(replaced: keys, by: []))
            }
            try await self.store(built)
            return SegmentProposal(.compacted(replaced: keys, by: [built.description]))
        }
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

    private var builder: SegmentBuilder {
        SegmentBuilder(hot: file.path, folder: segments.workFolder, limits: segments.settings.limits)
    }

    private nonisolated func proposing(
        _ doing: String, _ body: (SegmentWorks) async throws -> SegmentProposal?
    ) async throws(TidegateError) -> SegmentProposal? {
        do { return try await body(SegmentWorks(strand: segments.strand())) } catch { throw .database(error, doing) }
    }

    private nonisolated func store(_ built: BuiltSegment) async throws {
        if let pack = built.pack {
            try await segments.store.put(contentsOf: pack, at: built.description.packKey)
        }
        try await segments.store.put(contentsOf: built.compressed, at: built.description.key)
        segments.cache.adopt(built.file, key: built.description.key)
    }

    private nonisolated func sources(
        _ keys: [String], _ list: SegmentList, key: String
    ) async throws -> [SegmentSource] {
        var sources: [SegmentSource] = []
        for (index, wanted) in keys.enumerated() {
            guard let view = list.segments.first(where: { $0.key == wanted }) else {
                throw TidegateError(.conflict, "A segment was replaced before it was rewritten.")
            }
            let source = SegmentSource(key: wanted, lease: try await segments.cache.acquire(view))
            sources.append(source)
            guard !view.packKey.isEmpty else { continue }
            let path = "\(segments.workFolder)/\(key.replacing("/", with: "_")).from\(index)"
            try FileManager.default.createDirectory(
                atPath: segments.workFolder, withIntermediateDirectories: true)
            try await segments.store.get(view.packKey, into: path)
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

/// Makes segments on a thread of its own.
private actor SegmentWorks {
    private let strand: DatabaseStrand
    nonisolated var unownedExecutor: UnownedSerialExecutor { strand.asUnownedSerialExecutor() }

    init(strand: DatabaseStrand) { self.strand = strand }

    func seal(_ builder: SegmentBuilder, key: String) throws -> BuiltSegment? { try builder.seal(key: key) }

    func compact(_ builder: SegmentBuilder, _ sources: [SegmentSource], key: String) throws -> BuiltSegment? {
        try builder.compact(sources.map { ($0.key, $0.lease.path, $0.pack) }, key: key)
    }
}
