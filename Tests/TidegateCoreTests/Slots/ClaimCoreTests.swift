import Testing
import TidegateCore
import TidegateTestKit

@Suite("A claimer that was robbed while it recovers")
struct ClaimCoreTests {
    private let slot = SlotID(region: "r", index: 0)
    private let keys = CoordinationKeys()
    private var model = CoordinationModel()

    @Test("does not call snapshots lost that its successor has deleted", arguments: [true, false])
    mutating func snapshots(isRobbed: Bool) throws {
        try put(SlotSnapshot(cur: pointer(4), prev: pointer(2), lineage: [LineageStep(epoch: 1, firstN: 1)]), n: 4)
        var (core, fence) = try claimed()
        #expect(core.handle(.manifestLost, at: .zero) == [.loadManifest(pointer(2), after: .zero)])
        #expect(core.handle(.manifestLost, at: .zero) == [.readOwner(after: .zero)])
        #expect(
            failure(core.handle(.owner(owner(isRobbed ? fence + 1 : fence)), at: .zero))
                == (isRobbed ? .notOwner : .corrupt))
    }

    @Test("does not call log objects lost that its successor has deleted", arguments: [true, false])
    mutating func holes(isRobbed: Bool) throws {
        try put(SlotSnapshot(lineage: [LineageStep(epoch: 1, firstN: 1)]), n: 1)
        var (core, fence) = try claimed()
        let step = LineageStep(epoch: 1, firstN: 1)
        let settings = SlotSettings()
        #expect(core.handle(.lost(1), at: .zero) == [.fetch(1, step, after: settings.retryDelay(1))])
        #expect(core.handle(.lost(1), at: settings.holeAfter) == [.readOwner(after: .zero)])
        let effects = core.handle(.owner(owner(isRobbed ? fence + 1 : fence)), at: settings.holeAfter)
        if isRobbed {
            #expect(failure(effects) == .notOwner)
        } else {
            #expect(effects.first == .hole(1))
            guard case .ready(let claimed) = effects.last else { throw TidegateError(.internalError, "not ready") }
            #expect(claimed.holes == [1])
        }
    }

    private func pointer(_ n: LogIndex) -> SnapshotPointer {
        SnapshotPointer(manifest: "1/snap/r/0/1/\(n)-x", n: n, crc: 1, size: 1)
    }

    private func owner(_ revision: Revision) -> KeyValue {
        KeyValue(key: keys.owner(slot), value: [], createRevision: 1, modRevision: revision)
    }

    private func failure(_ effects: [ClaimCore.Effect]) -> TidegateError.Code? {
        if case .failed(let error) = effects.last { error.code } else { nil }
    }

    private mutating func put(_ snapshot: SlotSnapshot, n: LogIndex) throws {
        let head = SlotHead(n: n, epoch: 1, len: 1, crc: 1, prevCrc: 0)
        _ = try model.commit(
            CoordinationTransaction(
                then: [
                    .put(key: keys.head(slot), value: try DocumentCoding.encode(head)),
                    .put(key: keys.snapshot(slot), value: try DocumentCoding.encode(snapshot)),
                ])
        ) { _ in true }
    }

    private mutating func claimed() throws -> (ClaimCore, Revision) {
        var core = ClaimCore(
            slot, keys: keys, incarnation: IncarnationID(bits: 9), nowMs: 0, settings: SlotSettings())
        #expect(core.handle(.start, at: .zero) == [.read(after: .zero)])
        let reads = try model.commit(SlotClaim.reading(slot, keys: keys)) { _ in true }.0.reads
        guard case .claim(let transaction) = core.handle(.read(reads), at: .zero).first else {
            throw TidegateError(.internalError, "no claim")
        }
        let revision = try model.commit(transaction) { _ in true }.0.revision
        _ = core.handle(.claimed(revision), at: .zero)
        return (core, revision)
    }
}
