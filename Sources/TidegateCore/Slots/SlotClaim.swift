/// One attempt to become the owner of a slot: a transaction that holds only if nobody moved since the read (protocol §5).
///
/// Safe against a live owner too: from the instant the transaction happens, the old owner's commits compare false.
package struct SlotClaim: Equatable, Sendable {
    package let slot: SlotID
    package let epoch: Epoch
    /// The log's end at the claim; `nil` while the slot has no object. Nobody but this epoch moves it any more.
    package let head: SlotHead?
    package let headRevision: Revision
    /// `snap` as the claim writes it: with this epoch at the lineage's end.
    package let snapshot: SlotSnapshot
    package let claims: SlotOwner.Claims
    package let minReader: Int?
    package let transaction: CoordinationTransaction
    private let incarnation: String

    /// Reads `own`, `head` and `snap` as of one revision.
    package static func reading(_ slot: SlotID, keys: CoordinationKeys) -> CoordinationTransaction {
        CoordinationTransaction(read: [keys.owner(slot), keys.head(slot), keys.snapshot(slot)])
    }

    /// - Parameter reads: the answers of `reading`.
    /// - Throws: `.corrupt` when a document is not ours: claiming over it could lose a log.
    package init(
        _ slot: SlotID, keys: CoordinationKeys, reads: [KeyValue?], incarnation: IncarnationID, nowMs: Int64,
        settings: SlotSettings = SlotSettings()
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
        guard owner?.minReader ?? 1 <= Self.formatVersion else {
            throw TidegateError(
                .invalidConfiguration,
                "The log of \(slot) needs a build that reads format \(owner?.minReader ?? 1); this one reads "
                    + "\(Self.formatVersion). Roll forward.")
        }
        var published = snapshot ?? SlotSnapshot(lineage: [])
        published.lineage.append(LineageStep(epoch: next, firstN: (head?.n ?? 0) + 1))
        self.snapshot = published
        claims = Self.count(after: owner?.claims, nowMs: nowMs, windowMs: settings.claimsWindowMs)
        minReader = owner?.minReader
        let mine = try DocumentCoding.encode(
            SlotOwner(
                epoch: next, inc: incarnation.description, state: .owned, claims: claims, minReader: owner?.minReader))
        transaction = CoordinationTransaction(
            compare: [
                .modRevision(key: keys.owner(slot), equals: reads[0]?.modRevision ?? 0),
                .modRevision(key: keys.head(slot), equals: headRevision),
                .modRevision(key: keys.snapshot(slot), equals: reads[2]?.modRevision ?? 0),
            ],
            then: [
                .put(key: keys.owner(slot), value: mine),
                .put(key: keys.snapshot(slot), value: try DocumentCoding.encode(published)),
                .put(key: keys.route(slot), value: mine),
            ])
    }

    /// The newest log format that this build reads and writes (A30).
    package static let formatVersion = 1

    private static func count(
        after claims: SlotOwner.Claims?, nowMs: Int64, windowMs: Int64
    ) -> SlotOwner.Claims {
        let fresh = SlotOwner.Claims(count: 1, sinceMs: nowMs)
        guard let claims else { return fresh }
        let (age, overflow) = nowMs.subtractingReportingOverflow(claims.sinceMs)
        // A clock that went back says nothing about age: count on, which only makes the replay more careful.
        guard !overflow, age <= windowMs else { return fresh }
        return SlotOwner.Claims(count: claims.count &+ 1, sinceMs: claims.sinceMs)
    }

    /// The transaction by which the owner leaves: `own` free under the same epoch, so that anybody may claim the next one.
    package static func release(
        _ slot: SlotID, keys: CoordinationKeys, epoch: Epoch, fence: Revision, hint: String?, minReader: Int?
    ) throws(TidegateError) -> CoordinationTransaction {
        let free = try DocumentCoding.encode(
            SlotOwner(
                epoch: epoch, inc: nil, state: .free, claims: SlotOwner.Claims(count: 0, sinceMs: 0), hint: hint,
                minReader: minReader))
        return CoordinationTransaction(
            compare: [.modRevision(key: keys.owner(slot), equals: fence)],
            then: [.put(key: keys.owner(slot), value: free), .put(key: keys.route(slot), value: free)])
    }

    /// After an outcome that is not known to be success: whether the claim happened all the same (A4).
    /// - Returns: the fence, or `nil` when the claim has to be made anew.
    package func fence(in owner: KeyValue?) throws(TidegateError) -> Revision? {
        guard let owner else { return nil }
        let document: SlotOwner = try DocumentCoding.decode(from: owner)
        return document.epoch == epoch && document.inc == incarnation ? owner.modRevision : nil
    }
}
