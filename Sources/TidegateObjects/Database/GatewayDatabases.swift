internal import Foundation
package import TidegateCore

/// The databases of a node's gateways: files `FOLDER/<region>/<slot>/<uid>.db`. Any number may be open; at most
/// `connectedMax` of them hold connections, the others get them back on their next use.
package final class GatewayDatabases: GatewayStorageProvider {
    private let folder: String
    private let scratch: String
    private let bootID: String
    private let store: any ObjectStore
    private let segments: Segments
    private let open: OpenDatabases
    private let codecs = BodyCodecs()
    private let limits: GatewayLog.Limits
    private let applyThreads: DatabaseThreads
    private let scanThreads: DatabaseThreads

    /// - Parameters:
    ///   - folder: `STATE/objects`; made when it is needed. Its `scratch` is emptied.
    ///   - store: where snapshots of databases lie.
    ///   - bootID: the machine's current start (`/proc/sys/kernel/random/boot_id`): files of another one are dropped.
    ///   - segments: where sealed rows are.
    ///   - queryLimit: how long one query may take, its wait included.
    package init(
        folder: String, bootID: String, store: any ObjectStore, segments: Segments, connectedMax: Int = 64,
        threads: Int = 2,
        queryLimit: Duration = .seconds(10)
    ) {
        self.folder = folder
        self.bootID = bootID
        self.store = store
        scratch = folder + "/scratch"
        try? FileManager.default.removeItem(atPath: scratch)
        self.segments = segments
        open = OpenDatabases(connectedMax: connectedMax)
        var limits = GatewayLog.Limits()
        limits.query = queryLimit
        self.limits = limits
        applyThreads = DatabaseThreads(label: "tg-apply", count: threads)
        scanThreads = DatabaseThreads(label: "tg-scan", count: threads)
    }

    package func open(
        _ gateway: GatewayUID, slot: SlotID, from base: SnapshotManifest.Item?
    ) async throws(TidegateError) -> any GatewayStorage {
        try await log(gateway, slot: slot, from: base)
    }

    /// As `open`, with what only auditors and tests ask.
    package func log(
        _ gateway: GatewayUID, slot: SlotID, from base: SnapshotManifest.Item? = nil
    ) async throws(TidegateError) -> GatewayLog {
        let identity = DatabaseIdentity(gateway: gateway, slot: slot, bootID: bootID)
        let file = DatabaseFile(path: "\(folder)/\(slot)/\(gateway).db", identity: identity)
        let copies = DatabaseCopies(
            store: store, scratch: scratch, strand: DatabaseStrand(on: scanThreads), file: file)
        let log = open.handle(gateway) {
            GatewayLog(
                file: file, segments: segments, open: open, codecs: codecs, limits: limits,
                strand: DatabaseStrand(on: applyThreads),
                scanStrands: (0..<2).map { _ in DatabaseStrand(on: scanThreads) }, copies: copies)
        }
        do {
            try await log.start(from: base)
        } catch {
            open.forget(gateway, log)
            throw error
        }
        return log
    }

    /// Databases that hold connections now.
    package var connectedCount: Int { open.connectedCount }

    package func closeAll() async {
        for log in open.handles { await log.close() }
    }
}
