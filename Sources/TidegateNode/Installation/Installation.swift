internal import Foundation
package import Logging
internal import TidegateCore
internal import TidegateEngines
internal import TidegateObjects

/// The two stores of an installation, opened from outside a node.
package struct Installation: Sendable {
    let coordination: any CoordinationStore
    let store: any ObjectStore
    let keys: CoordinationKeys
    let close: @Sendable () async -> Void

    /// Opens them to look at, whether nodes run on them or not.
    /// - Throws: what stands in the way, with what to do.
    package static func reading(_ settings: ServeSettings, logger: Logger) async throws -> Installation {
        let coordination: any CoordinationStore
        let store: any ObjectStore
        let close: @Sendable () async -> Void
        if let shared = settings.shared {
            let etcd = try EtcdCoordinationStore(endpoints: shared.etcd, logger: logger)
            let s3 = S3ObjectStore(shared.s3, clock: SystemWallClock(), logger: logger)
            (coordination, store) = (etcd, s3)
            close = {
                await etcd.close()
                await s3.close()
            }
        } else {
            let state = settings.state
            let lmdb = try LMDBCoordinationView(directory: state + "/coordination")
            let directory = try DirectoryObjectView(root: state + "/store")
            (coordination, store) = (lmdb, directory)
            close = {
                lmdb.close()
                directory.close()
            }
        }
        do {
            return Installation(
                coordination: coordination, store: store, keys: try await CoordinationKeys.present(in: coordination),
                close: close)
        } catch {
            await close()
            throw error
        }
    }

    /// What an audit says, for people and for programs.
    package struct Audit: Sendable {
        package var holds: Bool
        package var text: String
        package var json: String
    }

    /// Walks both stores; the installation is closed afterwards.
    package func audit(progress: @escaping @Sendable (String) -> Void) async throws -> Audit {
        let scratch = NSTemporaryDirectory() + "tidegate-audit-\(ProcessInfo.processInfo.globallyUniqueString)"
        let auditor = Auditor(coordination: coordination, store: store, keys: keys, scratch: scratch)
        let report: AuditReport
        do {
            report = try await auditor.run(progress: progress)
        } catch {
            await close()
            throw error
        }
        await close()
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return Audit(
            holds: report.holds, text: report.table, json: String(decoding: try encoder.encode(report), as: UTF8.self))
    }
}

extension AuditReport {
    fileprivate var table: String {
        var lines = ["SLOT            EPOCH         N  SNAPSHOT  GATEWAYS        ROWS  CONTENT"]
        for slot in slots where slot.epoch > 0 {
            lines.append(
                [
                    slot.slot.padded(14), "\(slot.epoch)".padded(7, left: true), "\(slot.n)".padded(10, left: true),
                    "\(slot.snapshotN)".padded(10, left: true), "\(slot.gateways)".padded(10, left: true),
                    "\(slot.rows)".padded(12, left: true), " " + slot.contentHash.prefix(12),
                ].joined())
        }
        lines.append("")
        for check in checks {
            let verdict = check.violations > 0 ? "VIOLATED" : check.tested > 0 ? "holds" : "nothing to test"
            lines.append(
                "\(check.invariant.padded(4))\(verdict.padded(16))\("\(check.tested)".padded(9, left: true))  \(check.title)"
            )
            lines += check.examples.map { "      \($0)" }
            if check.violations > check.examples.count {
                lines.append("      … and \(check.violations - check.examples.count) more")
            }
        }
        if !notes.isEmpty { lines.append("") }
        lines += notes.map { "note: \($0)" }
        lines.append("")
        lines.append(
            holds ? "All invariants that the stores can show hold." : "The installation violates the protocol.")
        return lines.joined(separator: "\n")
    }
}

extension String {
    func padded(_ width: Int, left: Bool = false) -> String {
        let space = String(repeating: " ", count: max(0, width - count))
        return left ? space + self : self + space
    }
}
