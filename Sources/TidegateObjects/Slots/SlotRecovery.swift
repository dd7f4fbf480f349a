internal import TidegateCore

/// Reads a slot's committed log back, in order, checking that it is the log that was committed (protocol §5.4).
struct SlotRecovery: Sendable {
    let claim: SlotClaim
    let store: any ObjectStore
    let keys: CoordinationKeys
    /// Objects fetched at a time; also the bound of what is in memory.
    let readsMax: Int

    /// - Parameter apply: gets every object from 1 to the head, one at a time.
    /// - Throws: `.corrupt` when an object is missing, damaged or does not continue its predecessor: a hole is never
    ///   skipped silently (A8).
    func replay(
        _ apply: (LogObject) async throws(TidegateError) -> Void
    ) async throws(TidegateError) {
        guard let head = claim.head else { return }
        var first: LogIndex = 1
        var previousCRC: UInt32 = 0
        while first <= head.n {
            let last = min(head.n, first + UInt64(max(1, readsMax)) - 1)
            for object in try await fetch(first...last) {
                guard object.previousCRC == previousCRC else {
                    throw TidegateError(
                        .corrupt, "Log object \(object.n) of \(claim.slot) does not continue its predecessor.")
                }
                previousCRC = object.crc
                try await apply(object)
            }
            first = last + 1
        }
        guard previousCRC == head.crc else {
            throw TidegateError(.corrupt, "The log of \(claim.slot) does not end as its head says.")
        }
    }

    private func fetch(_ range: ClosedRange<LogIndex>) async throws(TidegateError) -> [LogObject] {
        let results = await withTaskGroup(of: (LogIndex, Result<LogObject, TidegateError>).self) { group in
            for n in range { group.addTask { (n, await fetch(n)) } }
            var results: [(LogIndex, Result<LogObject, TidegateError>)] = []
            for await result in group { results.append(result) }
            return results
        }
        var objects: [LogObject] = []
        for (_, result) in results.sorted(by: { $0.0 < $1.0 }) { objects.append(try result.get()) }
        return objects
    }

    private func fetch(_ n: LogIndex) async -> Result<LogObject, TidegateError> {
        let lineage = claim.snapshot
        do throws(TidegateError) {
            guard let epoch = lineage.epoch(of: n) else {
                throw TidegateError(.corrupt, "The lineage of \(claim.slot) does not say who wrote object \(n).")
            }
            let bytes = try await store.get(keys.logObject(claim.slot, epoch: epoch, n: n))
            let object = try LogObject(decoding: bytes)
            guard object.slot == claim.slot, object.epoch == epoch, object.n == n else {
                throw TidegateError(.corrupt, "Log object \(n) of \(claim.slot) is another one.")
            }
            return .success(object)
        } catch {
            return .failure(error)
        }
    }
}
