internal import Crypto
internal import Foundation
internal import TidegateCore

/// Builds a slot's databases again from its older snapshot and the log, and looks at every entry on the way.
final class SlotReplay {
    private let slot: SlotID
    private let store: any ObjectStore
    private let keys: CoordinationKeys
    private let scratch: String
    private let base: [GatewayUID: SnapshotManifest.Item]
    private let findings: SlotFindings
    private let segments: Segments
    private let databases: GatewayDatabases
    private var logs: [GatewayUID: GatewayLog] = [:]
    private var marks: [GatewayUID: [StreamID: UInt64]] = [:]
    private(set) var ended: Set<GatewayUID> = []
    private var ids: Set<RecordID> = []

    init(
        slot: SlotID, store: any ObjectStore, keys: CoordinationKeys, scratch: String, base: SnapshotManifest?,
        findings: SlotFindings
    ) {
        self.slot = slot
        self.keys = keys
        self.store = store
        self.scratch = scratch
        self.findings = findings
        self.base = Self.items(of: base)
        ended = Set((base?.ended ?? []).compactMap { GatewayUID(hex: $0.uid) })
        segments = Segments(folder: scratch + "-cache", bootID: "audit", store: store)
        databases = GatewayDatabases(folder: scratch, bootID: "audit", store: store, segments: segments)
    }

    private static func items(of manifest: SnapshotManifest?) -> [GatewayUID: SnapshotManifest.Item] {
        var items: [GatewayUID: SnapshotManifest.Item] = [:]
        for item in manifest?.gateways ?? [] { if let uid = GatewayUID(hex: item.uid) { items[uid] = item } }
        return items
    }

    func apply(_ object: LogObject) async throws(TidegateError) {
        for section in object.sections {
            let uid = section.gateway
            findings.check(
                "I13", !ended.contains(uid), "\(slot): object \(object.n) has entries of \(uid) behind its end")
            guard let log = try await open(uid) else { continue }
            for committed in section.entries { check(committed, of: uid) }
            _ = try await log.apply(n: object.n, epoch: object.epoch, section.entries)
        }
    }

    private func check(_ committed: CommittedEntry, of uid: GatewayUID) {
        switch committed.entry {
        case .record(let stream, let sequence, let id, _, _):
            // Quarantined bytes that named no stream.
            guard stream.bits != 0 else { return }
            findings.check("I5", ids.insert(id).inserted, "\(slot): record \(id) is in the log twice")
            advance(stream, to: sequence, of: uid, committed.lsn)
        case .skip(let stream, let sequence, _, _): advance(stream, to: sequence, of: uid, committed.lsn)
        case .gatewayDeleted: ended.insert(uid)
        default: break
        }
    }

    private func advance(_ stream: StreamID, to sequence: UInt64, of uid: GatewayUID, _ lsn: LSN) {
        let before = marks[uid]?[stream] ?? 0
        findings.check(
            "I6", sequence == before + 1, "\(uid): stream \(stream) goes from \(before) to \(sequence) at \(lsn)")
        marks[uid, default: [:]][stream] = max(before, sequence)
    }

    private func open(_ uid: GatewayUID) async throws(TidegateError) -> GatewayLog? {
        if let log = logs[uid] { return log }
        do throws(TidegateError) {
            let log = try await databases.log(uid, slot: slot, from: base[uid])
            findings.check("I12", true, "")
            let state = try await log.state()
            logs[uid] = log
            marks[uid] = state.streams.mapValues(\.sequence)
            if state.isDeleted { ended.insert(uid) }
            return log
        } catch {
            guard error.code == .notFound || error.code == .corrupt else { throw error }
            findings.check("I12", false, "\(base[uid]?.key ?? "\(uid)"): \(error.message)")
            return nil
        }
    }

    private func check(_ reference: GatewayLog.Reference, of uid: GatewayUID) async throws(TidegateError) {
        do throws(TidegateError) {
            if let crc = reference.crc {
                let bytes = try await store.get(reference.key)
                findings.check("I12", CRC32C.checksum(bytes) == crc, "\(reference.key) of \(uid) is damaged")
            } else {
                let last = max(1, reference.size ?? 1)
                let end = try await store.get(reference.key, range: Int(last - 1)..<Int(last))
                findings.check("I12", !end.isEmpty, "\(reference.key) of \(uid) is too short")
            }
        } catch {
            guard error.code == .notFound else { throw error }
            findings.check("I12", false, "\(reference.key) of \(uid) is missing")
        }
    }

    /// Objects that no row and no entry names, as information: their entries may be on the way, or their rule has not come
    /// by. Bodies of an outbox that is lost stay until somebody deletes them: no rule knows that it will never come back.
    private func findOrphans(of uid: GatewayUID, _ log: GatewayLog, named: Set<String>) async throws(TidegateError) {
        let garbage = try await log.garbage(through: .max)
        let known = named.union(garbage)
        var streams: [String: Int] = [:]
        for key in try await list(keys.bodyObjects(of: uid)) where !known.contains(key) {
            guard let place = keys.bodyPlace(key) else { continue }
            let isKnown = marks[uid]?[place.stream] != nil
            streams["\(place.stream)" + (isKnown ? "" : ", which never delivered a row here"), default: 0] += 1
        }
        for (stream, count) in streams.sorted(by: { $0.key < $1.key }) {
            findings.notes.append("\(uid): bodies that no row names: \(count), of stream \(stream)")
        }
        let segments = try await list(keys.segments(of: uid)).filter { !known.contains($0) }
        if !segments.isEmpty {
            findings.notes.append(
                "\(uid): objects of segments that no entry names: \(segments.count); an owner to come deletes them")
        }
    }

    private func list(_ prefix: String) async throws(TidegateError) -> [String] {
        var found: [String] = []
        while true {
            let page = try await store.list(prefix: prefix, after: found.last, limit: 1_000)
            found += page
            guard page.count == 1_000 else { return found }
        }
    }

    /// The databases stand where `newer` was taken: both must have the same content.
    func compare(with newer: SnapshotManifest) async throws(TidegateError) {
        let others = GatewayDatabases(folder: scratch + "-newer", bootID: "audit", store: store, segments: segments)
        for (uid, item) in Self.items(of: newer) {
            do throws(TidegateError) {
                let copy = try await others.log(uid, slot: slot, from: item)
                findings.check("I12", true, "")
                if let mine = try await open(uid) {
                    let isEqual = try await copy.contentHash() == mine.contentHash()
                    findings.check("I9", isEqual, "\(slot): \(uid) differs between \(item.key) and the log")
                }
                try await copy.destroy()
            } catch {
                guard error.code == .notFound || error.code == .corrupt else { throw error }
                findings.check("I12", false, "\(item.key): \(error.message)")
            }
        }
        await others.closeAll()
    }

    /// - Returns: rows of every gateway that is not gone, and one hash over the content of all.
    func finish() async throws(TidegateError) -> (live: [GatewayUID: Int64], hash: String) {
        for uid in base.keys { _ = try await open(uid) }
        var live: [GatewayUID: Int64] = [:]
        var hash = SHA256()
        for (uid, log) in logs.sorted(by: { $0.key < $1.key }) {
            let state = try await log.state()
            if !state.isDeleted { live[uid] = state.live }
            let references = try await log.references()
            for reference in references { try await check(reference, of: uid) }
            if !state.isDeleted { try await findOrphans(of: uid, log, named: Set(references.map(\.key))) }
            hash.update(data: Array("\(uid) \(try await log.contentHash())".utf8))
        }
        await databases.closeAll()
        for folder in [scratch, scratch + "-cache", scratch + "-newer"] {
            try? FileManager.default.removeItem(atPath: folder)
        }
        return (live, Hexadecimal.text(hash.finalize()))
    }
}
