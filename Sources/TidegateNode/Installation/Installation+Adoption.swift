internal import Foundation
package import Logging
internal import TidegateCore
internal import TidegateEngines
internal import TidegateObjects

extension Installation {
    /// What an adoption did, or would do, for people and for programs.
    package struct Adopted: Sendable {
        package var text: String
        package var json: String
    }

    /// Starts a new generation on the stores that `settings` name. No node may run.
    /// - Parameter generation: `nil` is the next one.
    package static func adopt(
        _ settings: ServeSettings, generation: Int?, isDryRun: Bool, logger: Logger,
        progress: @escaping @Sendable (String) -> Void
    ) async throws -> Adopted {
        let (coordination, store, close) = try await writing(settings, logger: logger)
        let scratch = NSTemporaryDirectory() + "tidegate-adopt-\(ProcessInfo.processInfo.globallyUniqueString)"
        let report: Adoption.Report
        do {
            report = try await Adoption(coordination: coordination, store: store, scratch: scratch).run(
                to: generation, isDryRun: isDryRun, progress: progress)
        } catch {
            await close()
            throw error
        }
        await close()
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return Adopted(text: report.table, json: String(decoding: try encoder.encode(report), as: UTF8.self))
    }

    private static func writing(
        _ settings: ServeSettings, logger: Logger
    ) async throws -> (any CoordinationStore, any ObjectStore, @Sendable () async -> Void) {
        if let shared = settings.shared {
            let etcd = try EtcdCoordinationStore(endpoints: shared.etcd, logger: logger)
            let s3 = S3ObjectStore(shared.s3, clock: SystemWallClock(), logger: logger)
            return (
                etcd, s3,
                {
                    await etcd.close()
                    await s3.close()
                }
            )
        }
        guard FileManager.default.fileExists(atPath: settings.state + "/coordination/data.mdb") else {
            throw TidegateError(
                .notFound, "There is no coordination store in \(settings.state)/coordination: check --state.")
        }
        let lmdb = try LMDBCoordinationStore(directory: settings.state + "/coordination", logger: logger)
        let directory: DirectoryObjectStore
        do {
            directory = try DirectoryObjectStore(root: settings.state + "/store", logger: logger)
        } catch {
            lmdb.close()
            throw error
        }
        return (
            lmdb, directory,
            {
                lmdb.close()
                directory.close()
            }
        )
    }
}

extension Adoption.Report {
    fileprivate var table: String {
        var lines = ["SLOT            EPOCH   RESTORED       NOW        ROWS"]
        for slot in slots {
            lines.append(
                [
                    slot.slot.padded(14), "\(slot.epoch)".padded(7, left: true),
                    "\(slot.restoredN)".padded(11, left: true), "\(slot.n)".padded(10, left: true),
                    "\(slot.rows)".padded(12, left: true),
                ].joined())
        }
        lines += notes.map { "note: \($0)" }
        lines.append("")
        let verb = isDryRun ? "would start" : "started"
        lines.append("Generation \(toGeneration) \(verb) after \(fromGeneration), with \(documents) documents.")
        if !isDryRun { lines.append("Start the nodes; edges drop what they find refused as a duplicate.") }
        return lines.joined(separator: "\n")
    }
}
