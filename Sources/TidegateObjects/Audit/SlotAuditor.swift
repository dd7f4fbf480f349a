internal import Crypto
internal import Foundation
internal import TidegateCore

/// Audits one slot: its documents, its log, its two snapshots, and what replaying gives.
struct SlotAuditor: Sendable {
    private struct Documents: Equatable {
        var owner: SlotOwner?
        var head: SlotHead?
        var snapshot: SlotSnapshot
    }

    let slot: SlotID
    let coordination: any CoordinationStore
    let store: any ObjectStore
    let keys: CoordinationKeys
    let scratch: String
    let ledger: AuditLedger
    private static let attemptsMax = 5

    /// A slot that moves on meanwhile, so that what it named is collected, is looked at again.
    func run() async throws(TidegateError) -> (AuditReport.Slot, live: [GatewayUID: Int64]) {
        for attempt in 1... {
            let documents = try await documents()
            let findings = SlotFindings()
            let result = try await audit(documents, findings)
            let isStill = try await self.documents().snapshot == documents.snapshot
            if isStill || findings.violations.isEmpty || attempt == Self.attemptsMax {
                for (invariant, holds, message) in findings.all { await ledger.check(invariant, holds, message) }
                for note in findings.notes { await ledger.note(note) }
                return result
            }
        }
        throw TidegateError(.internalError, "The audit of \(slot) ended nowhere.")
    }

    private func documents() async throws(TidegateError) -> Documents {
        let reads = try await coordination.commit(SlotClaim.reading(slot, keys: keys)).reads
        guard reads.count == 3 else { throw TidegateError(.internalError, "An audit needs three reads.") }
        return Documents(
            owner: try reads[0].map { entry throws(TidegateError) in try DocumentCoding.decode(from: entry) },
            head: try reads[1].map { entry throws(TidegateError) in try DocumentCoding.decode(from: entry) },
            snapshot: try reads[2].map { entry throws(TidegateError) in try DocumentCoding.decode(from: entry) }
                ?? SlotSnapshot(lineage: []))
    }

    private func audit(_ documents: Documents, _ findings: SlotFindings) async throws(TidegateError) -> (
        AuditReport.Slot, live: [GatewayUID: Int64]
    ) {
        checkDocuments(documents, findings)
        let snapshot = documents.snapshot
        let headN = documents.head?.n ?? 0
        let older = try await manifest(snapshot.prev, findings)
        let newer = try await manifest(snapshot.cur, findings)
        for hole in newer?.holes ?? older?.holes ?? [] {
            findings.notes.append("\(slot): log object \(hole) was lost earlier; its rows are missing")
        }
        let replay = SlotReplay(
            slot: slot, store: store, keys: keys, scratch: scratch + "/older", base: older, findings: findings)
        var crc: UInt32? = older?.logCRC ?? 0
        var n = older?.n ?? 0
        while n < headN {
            n += 1
            crc = try await step(n, after: crc, snapshot, headN: headN, head: documents.head, replay, findings)
            if n == snapshot.cur?.n, let newer {
                findings.check("I3", crc == nil || crc == newer.logCRC, "\(slot): snapshot and log disagree at \(n)")
                try await replay.compare(with: newer)
            }
        }
        if n == snapshot.cur?.n, headN == n, older == nil, let newer, n == 0 { try await replay.compare(with: newer) }
        let (live, hash) = try await replay.finish()
        return (
            AuditReport.Slot(
                slot: slot.description, epoch: documents.owner?.epoch ?? 0, n: headN, snapshotN: snapshot.cur?.n ?? 0,
                gateways: live.count, rows: live.values.reduce(0, +), contentHash: hash), live
        )
    }

    /// - Returns: CRC of object `n`; `nil` when there is none to go on with.
    private func step(
        _ n: LogIndex, after previous: UInt32?, _ snapshot: SlotSnapshot, headN: LogIndex, head: SlotHead?,
        _ replay: SlotReplay, _ findings: SlotFindings
    ) async throws(TidegateError) -> UInt32? {
        guard let step = snapshot.step(of: n) else {
            findings.check("I3", false, "\(slot): the lineage does not say who wrote object \(n)")
            return nil
        }
        let key = keys.logObject(slot, step, n: n)
        let object: LogObject
        do throws(TidegateError) {
            object = try LogObject(decoding: try await store.get(key))
        } catch {
            guard error.code == .notFound || error.code == .corrupt else { throw error }
            findings.check("I3", false, "\(key): \(error.message)")
            return nil
        }
        findings.check(
            "I3", object.n == n && object.slot == slot && object.epoch == step.epoch, "\(key) is another one")
        findings.check(
            "I3", previous == nil || object.previousCRC == previous, "\(key) does not continue its predecessor")
        if n == headN {
            findings.check(
                "I2", head?.crc == object.crc && head?.epoch == object.epoch, "\(slot): the head is not \(key)")
        }
        try await replay.apply(object)
        return object.crc
    }

    private func checkDocuments(_ documents: Documents, _ findings: SlotFindings) {
        let lineage = documents.snapshot.lineage
        let headN = documents.head?.n ?? 0
        for (one, next) in zip(lineage, lineage.dropFirst()) {
            findings.check("I1", one.epoch < next.epoch, "\(slot): lineage \(one.epoch) is followed by \(next.epoch)")
            findings.check("I2", one.firstN <= next.firstN, "\(slot): lineage goes back at epoch \(next.epoch)")
        }
        if let owner = documents.owner {
            findings.check("I1", lineage.last?.epoch == owner.epoch, "\(slot): the owner's epoch is not the lineage's")
        }
        if let last = lineage.last {
            findings.check("I2", last.firstN <= headN + 1, "\(slot): the last epoch begins behind the head")
        }
        let (cur, prev) = (documents.snapshot.cur?.n ?? 0, documents.snapshot.prev?.n ?? 0)
        findings.check("I3", prev <= cur && cur <= headN, "\(slot): snapshots at \(prev), \(cur), head at \(headN)")
    }

    private func manifest(
        _ pointer: SnapshotPointer?, _ findings: SlotFindings
    ) async throws(TidegateError) -> SnapshotManifest? {
        guard let pointer else { return nil }
        do throws(TidegateError) {
            let manifest = try SnapshotManifest(decoding: try await store.get(pointer.manifest), of: pointer)
            findings.check("I12", true, "")
            return manifest
        } catch {
            guard error.code == .notFound || error.code == .corrupt else { throw error }
            findings.check("I12", false, error.message)
            return nil
        }
    }
}

/// What one look at a slot found; kept back until it is sure that the slot did not change under the look.
final class SlotFindings {
    private(set) var all: [(invariant: String, holds: Bool, message: String)] = []
    var notes: [String] = []
    var violations: [String] { all.filter { !$0.holds }.map(\.message) }

    func check(_ invariant: String, _ holds: Bool, _ message: @autoclosure () -> String) {
        all.append((invariant, holds, holds ? "" : message()))
    }
}
