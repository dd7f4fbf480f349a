internal import FoundationEssentials
internal import TidegateCore

/// Writes `cfg/cluster` on the very first start, and refuses to run when it says something else than this node (A30).
enum ClusterBootstrap {
    /// - Parameter mayAddRegion: a node of a region that the cluster does not have yet brings it in.
    static func agree(
        on mine: ClusterDocument, mayAddRegion: Bool = false, in store: any CoordinationStore, keys: CoordinationKeys
    ) async throws(TidegateError) -> ClusterDocument {
        let value: [UInt8]
        do {
            value = Array(try JSONEncoder().encode(mine))
        } catch {
            throw TidegateError(.internalError, "The cluster document cannot be encoded.", cause: error)
        }
        let outcome = try await store.commit(
            CoordinationTransaction(
                compare: [.modRevision(key: keys.cluster, equals: 0)], then: [.put(key: keys.cluster, value: value)],
                read: [keys.cluster]))
        guard let stored = outcome.reads.first ?? nil,
            let cluster = try? JSONDecoder().decode(ClusterDocument.self, from: Data(stored.value))
        else { throw TidegateError(.corrupt, "The cluster document in the coordination store cannot be read.") }
        guard cluster.hash == mine.hash, cluster.slotsPerRegion == mine.slotsPerRegion,
            cluster.formatMax <= mine.formatMax
        else {
            throw TidegateError(
                .invalidConfiguration,
                "This state was made with hash \(cluster.hash), \(cluster.slotsPerRegion) slots and format "
                    + "\(cluster.formatMax); this build has \(mine.hash), \(mine.slotsPerRegion) and \(mine.formatMax)."
            )
        }
        guard let region = mine.regions.first else {
            throw TidegateError(.internalError, "The cluster document of this node names no region.")
        }
        if cluster.regions.contains(region) { return cluster }
        guard mayAddRegion else {
            throw TidegateError(
                .invalidConfiguration,
                "This state belongs to region \(cluster.regions.joined(separator: ", ")): start with --region of that "
                    + "name, or with another --state.")
        }
        var larger = cluster
        larger.regions = (cluster.regions + [region]).sorted()
        _ = try await store.commit(
            CoordinationTransaction(
                compare: [.modRevision(key: keys.cluster, equals: stored.modRevision)],
                then: [.put(key: keys.cluster, value: try DocumentCoding.encode(larger))]))
        // Whoever was faster may have added the same one: look again.
        return try await agree(on: mine, mayAddRegion: mayAddRegion, in: store, keys: keys)
    }
}
