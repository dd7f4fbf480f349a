/// One attempt to become the owner of a slot: a transaction that holds only if nobody moved since the read (protocol §5).
///
/// Safe against a live owner too: from the instant the transaction happens, the old owner's commits compare false.
package struct SlotClaim: Equatable, Sendable {
    package let slot: SlotID
    package let epoch: Epoch
    /// The log's end at the claim; `nil` while the slot has no object. Nobody but this epoch moves it any more.
    package let head: SlotHead?
    package let headRevision: Revision
    package let lineage: [LineageStep]
    package let transaction: CoordinationTransaction
    private let incarnation: String

    /// Reads `own`, `head` and `snap` as of one revision.
    package static func reading(_ slot: SlotID, keys: CoordinationKeys) -> CoordinationTransaction {
        CoordinationTransaction(read: [keys.owner(slot), keys.head(slot), keys.snapshot(slot)])
    }

    /// - Parameter reads: the answers of `reading`.
    /// - Throws: `.corrupt` when a document is not ours: claiming over it could lose a log.
    package init(
        _ slot: SlotID, keys: CoordinationKeys, reads: [KeyValue?], incarnation: IncarnationID, nowMs: Int64
    ) throws(TidegateError) {
        guard reads.count == 3 else { throw TidegateError(.internalError, "A claim needs three reads.") }
        let owner: SlotOwner? = try reads[0].map { entry throws(TidegateError) in try DocumentCoding.decode(from: entry)
        }
        head = try reads[1].map { entry throws(TidegateError) in try DocumentCoding.decode(from: entry) }
        let snapshot: SlotSnapshot? = try reads[2].map { entry throws(TidegateError) in
            try DocumentCoding.decode(from: entry)
        }
        self.slot = slot
        self.incarnation = incarnation.description
        let (next, overflow) = (owner?.epoch ?? 0).addingReportingOverflow(1)
        guard !overflow else { throw TidegateError(.corrupt, "The epoch of \(slot) is used up.") }
        epoch = next
        headRevision = reads[1]?.modRevision ?? 0
        lineage = (snapshot?.lineage ?? []) + [LineageStep(epoch: next, firstN: (head?.n ?? 0) + 1)]
        let claims = SlotOwner.Claims(
            count: (owner?.claims.count ?? 0) &+ 1, sinceMs: owner?.claims.sinceMs ?? nowMs)
        transaction = CoordinationTransaction(
            compare: [
                .modRevision(key: keys.owner(slot), equals: reads[0]?.modRevision ?? 0),
                .modRevision(key: keys.head(slot), equals: headRevision),
                .modRevision(key: keys.snapshot(slot), equals: reads[2]?.modRevision ?? 0),
            ],
            then: [
                .put(
                    key: keys.owner(slot),
                    value: try DocumentCoding.encode(
                        SlotOwner(epoch: next, inc: incarnation.description, state: .owned, claims: claims))),
                .put(
                    key: keys.snapshot(slot), value: try DocumentCoding.encode(SlotSnapshot(lineage: lineage))),
            ])
    }

    /// After an outcome that is not known to be success: whether the claim happened all the same (A4).
    /// - Returns: the fence, or `nil` when the claim has to be made anew.
    package func fence(in owner: KeyValue?) throws(TidegateError) -> Revision? {
        guard let owner else { return nil }
        let document: SlotOwner = try DocumentCoding.decode(from: owner)
        return document.epoch == epoch && document.inc == incarnation ? owner.modRevision : nil
    }
}
