internal import TidegateCore

/// What a slot will be in the new generation.
struct AdoptedSlot: Sendable {
    var slot: SlotID
    var owner: SlotOwner
    var head: SlotHead?
    var snapshot: SlotSnapshot
    /// Where the restored authority thought the log ended.
    var restoredN: LogIndex
    /// Rows of every gateway, and the gateways whose end is in the log.
    var live: [GatewayUID: Int64]
    var ended: [GatewayUID]
}

/// Finds a slot's true end in the object store: the newest whole snapshot, and the chain of log objects behind it.
struct SlotAdoption: Sendable {
    let slot: SlotID
    let coordination: any CoordinationStore
    let store: any ObjectStore
    /// Of the generation that was restored.
    let keys: CoordinationKeys
    let scratch: String

    func run() async throws(TidegateError) -> AdoptedSlot {
        let reads = try await coordination.commit(SlotClaim.reading(slot, keys: keys)).reads
        guard reads.count == 3 else { throw TidegateError(.internalError, "An adoption needs three reads.") }
        let owner: SlotOwner? = try reads[0].map { entry throws(TidegateError) in try DocumentCoding.decode(from: entry)
        }
        let head: SlotHead? = try reads[1].map { entry throws(TidegateError) in try DocumentCoding.decode(from: entry) }
        let known: SlotSnapshot? = try reads[2].map { entry throws(TidegateError) in
            try DocumentCoding.decode(from: entry)
        }
        var epochMax = owner?.epoch ?? 0
        let snapshots = try await snapshots(known, &epochMax)
        let objects = try await objects(known, &epochMax)
        let newest = snapshots.first
        var older = snapshots.dropFirst().first
        var chain = try await chain(from: older ?? newest, objects)
        if chain.end < newest?.pointer.n ?? 0 {
            // The log between them is collected already: the older one had been given up.
            older = nil
            chain = try await self.chain(from: newest, objects)
        }
        guard chain.end >= head?.n ?? 0 else {
            throw TidegateError(
                .corrupt,
                "\(slot): the restored authority knows object \(head?.n ?? 0), the object store ends at \(chain.end). "
                    + "Restore the object store first.")
        }
        let findings = SlotFindings()
        let replay = SlotReplay(
            slot: slot, store: store, keys: keys, scratch: scratch, base: newest?.manifest, findings: findings)
        for object in chain.objects where object.n > newest?.pointer.n ?? 0 {
            try await replay.apply(try LogObject(decoding: try await store.get(object.key)))
        }
        let ended = Array(replay.ended)
        let (live, _) = try await replay.finish()
        let epoch = epochMax + 1
        return AdoptedSlot(
            slot: slot,
            owner: SlotOwner(
                epoch: epoch, inc: nil, state: .free, claims: SlotOwner.Claims(count: 0, sinceMs: 0),
                minReader: owner?.minReader),
            head: chain.head ?? newest.map(\.head),
            snapshot: SlotSnapshot(
                cur: newest?.pointer, prev: older?.pointer,
                lineage: chain.lineage + [LineageStep(epoch: epoch, firstN: chain.end + 1)]),
            restoredN: head?.n ?? 0, live: live, ended: ended)
    }

    // MARK: - Snapshots

    private struct Found {
        var pointer: SnapshotPointer
        var manifest: SnapshotManifest
        /// Of a slot without a log behind the snapshot.
        var head: SlotHead {
            SlotHead(n: manifest.n, epoch: manifest.epoch, len: 0, crc: manifest.logCRC, prevCrc: 0)
        }
    }

    /// The two newest snapshots of which everything is there. One that was never published holds committed entries all
    /// the same.
    private func snapshots(_ known: SlotSnapshot?, _ epochMax: inout Epoch) async throws(TidegateError) -> [Found] {
        var found: [Found] = []
        for generation in generations(known) {
            for key in try await store.all(CoordinationKeys(generation: generation).manifests(slot)) {
                if let epoch = CoordinationKeys(generation: generation).epoch(ofManifest: key, slot) {
                    epochMax = max(epochMax, epoch)
                }
                let bytes = try await store.get(key)
                let pointer = { (n: LogIndex) in
                    SnapshotPointer(manifest: key, n: n, crc: CRC32C.checksum(bytes), size: bytes.count)
                }
                let entry = KeyValue(key: key, value: bytes, createRevision: 0, modRevision: 0)
                guard let manifest: SnapshotManifest = try? DocumentCoding.decode(from: entry),
                    manifest.slot == slot.description
                else { continue }
                found.append(Found(pointer: pointer(manifest.n), manifest: manifest))
            }
        }
        var whole: [Found] = []
        for candidate in found.sorted(by: { ($0.pointer.n, $0.manifest.epoch) > ($1.pointer.n, $1.manifest.epoch) })
        where whole.count < 2 && whole.last?.pointer.n != candidate.pointer.n {
            if try await isWhole(candidate.manifest) { whole.append(candidate) }
        }
        return whole
    }

    private func isWhole(_ manifest: SnapshotManifest) async throws(TidegateError) -> Bool {
        for item in manifest.gateways {
            do throws(TidegateError) {
                guard CRC32C.checksum(try await store.get(item.key)) == item.crc else { return false }
            } catch {
                guard error.code == .notFound else { throw error }
                return false
            }
        }
        return true
    }

    // MARK: - Log

    private struct Object {
        var n: LogIndex
        var generation: Int
        var key: String
    }

    private struct Chain {
        var head: SlotHead?
        var lineage: [LineageStep]
        var objects: [Object]
        var end: LogIndex
    }

    private func generations(_ known: SlotSnapshot?) -> [Int] {
        Array(Set((known?.lineage ?? []).compactMap(\.generation) + [keys.generation])).sorted()
    }

    private func objects(
        _ known: SlotSnapshot?, _ epochMax: inout Epoch
    ) async throws(TidegateError) -> [LogIndex: [Object]] {
        var found: [LogIndex: [Object]] = [:]
        for generation in generations(known) {
            let keys = CoordinationKeys(generation: generation)
            for key in try await store.all(keys.logObjects(slot)) {
                guard let (epoch, n) = keys.parts(ofLogObject: key, slot) else { continue }
                epochMax = max(epochMax, epoch)
                found[n, default: []].append(Object(n: n, generation: generation, key: key))
            }
        }
        return found
    }

    private func chain(from start: Found?, _ objects: [LogIndex: [Object]]) async throws(TidegateError) -> Chain {
        let first = start?.pointer.n ?? 0
        var chain = LogChain(after: first, crc: start?.manifest.logCRC ?? 0)
        var taken: [Object] = []
        while let here = objects[chain.nextN] {
            var candidates: [(Object, LogChain.Candidate)] = []
            for object in here {
                let bytes = try await store.get(object.key)
                guard let decoded = try? LogObject(decoding: bytes), decoded.slot == slot, decoded.n == object.n else {
                    continue
                }
                candidates.append(
                    (
                        object,
                        LogChain.Candidate(
                            epoch: decoded.epoch, generation: object.generation, length: bytes.count, crc: decoded.crc,
                            previousCRC: decoded.previousCRC)
                    ))
            }
            guard let next = chain.extend(with: candidates.map(\.1)),
                let object = candidates.first(where: { $0.1 == next })?.0
            else { break }
            taken.append(object)
        }
        return Chain(
            head: chain.head, lineage: chain.lineage, objects: taken, end: chain.nextN - 1)
    }
}

extension ObjectStore {
    /// Every key of a prefix.
    func all(_ prefix: String) async throws(TidegateError) -> [String] {
        var keys: [String] = []
        while true {
            let page = try await list(prefix: prefix, after: keys.last, limit: 1_000)
            keys += page
            guard page.count == 1_000 else { return keys }
        }
    }
}
