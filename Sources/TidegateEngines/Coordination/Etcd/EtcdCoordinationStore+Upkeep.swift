internal import FoundationEssentials
internal import Logging
internal import Metrics
package import TidegateCore

// What keeps an etcd from filling up (protocol A22): it keeps every revision until it is told not to, and takes no writes
// once its quota is used. And what its version is known to do wrong (A23).
extension EtcdCoordinationStore {
    /// What the protocol asks of the quota: a cluster's heads move a thousand times a second.
    private static let quotaBytesWanted = 8.0 * 1_073_741_824
    /// Part of the quota beyond which somebody has to look.
    private static let fullness = 0.6

    /// Tells what is not as the protocol wants it.
    /// - Throws: `.invalidConfiguration` for what cannot work: a version that does not speak to us, or an etcd that takes no
    ///   writes any more; what a call throws when nobody can be asked.
    package func check() async throws(TidegateError) {
        for (endpoint, text) in await client.versions() { try judge(text, of: endpoint) }
        let answer: EtcdAlarms = try await client.call("/v3/maintenance/alarm", EtcdAlarmRequest(), .read)
        let raised = (answer.alarms ?? []).compactMap(\.alarm)
        guard !raised.contains("NOSPACE") else {
            throw TidegateError(
                .invalidConfiguration,
                "etcd is full and takes no writes: compact and defragment it, then `etcdctl alarm disarm`.")
        }
        guard !raised.contains("CORRUPT") else {
            throw TidegateError(
                .invalidConfiguration, "etcd's members do not agree on its content (alarm CORRUPT): restore it first.")
        }
        guard let quota = await client.metric("etcd_server_quota_backend_bytes") else { return }
        if quota < Self.quotaBytesWanted {
            logger.warning(
                "etcd's quota is small: start its members with --quota-backend-bytes=8589934592",
                metadata: ["quota.bytes": "\(Int64(quota))"])
        }
        guard let size = await client.metric("etcd_mvcc_db_total_size_in_bytes") else { return }
        Gauge(label: "tidegate_etcd_database_bytes").record(size)
        Gauge(label: "tidegate_etcd_quota_bytes").record(quota)
        if size > quota * Self.fullness {
            logger.error(
                "etcd is filling up; once its quota is used it takes no writes: defragment its members",
                metadata: ["database.bytes": "\(Int64(size))", "quota.bytes": "\(Int64(quota))"])
        }
    }

    private func judge(_ text: String, of endpoint: String) throws(TidegateError) {
        guard let version = EtcdVersion(text), version.isUsable else {
            throw TidegateError(
                .invalidConfiguration,
                "The etcd at \(endpoint) has version '\(text)': 3.4 and later 3.x can be used, 3.5.23 or 3.6.5 and later "
                    + "are meant for a cluster.")
        }
        guard !version.faults.isEmpty else { return }
        logger.warning(
            "This etcd has known faults: for a cluster use 3.5.23, 3.6.5 or later",
            metadata: [
                "etcd.version": "\(version)", "etcd.endpoint": "\(endpoint)",
                "faults": "\(version.faults.joined(separator: "; "))",
            ])
    }

    /// Asks again what was asked at start, until cancelled: an etcd may be moved to another version or fill up. A node that
    /// runs is not stopped for it.
    package func keepChecked(every interval: Duration = .seconds(86_400)) async {
        while (try? await Task.sleep(for: interval)) != nil {
            do throws(TidegateError) { try await check() } catch {
                logger.error("etcd is not well", metadata: ["error": "\(error)"])
            }
        }
    }

    /// Forgets revisions older than one to two `interval`s, again and again until cancelled, whatever the members' own
    /// settings are. A watch that needs older ones lists anew.
    package func keepCompacted(every interval: Duration = .seconds(300)) async {
        var old: Revision?
        while (try? await Task.sleep(for: interval)) != nil {
            do throws(TidegateError) {
                if let old, old > 0 {
                    let _: EtcdNothing = try await client.call(
                        "/v3/kv/compaction", EtcdCompaction(revision: EtcdNumber(old)), .write)
                }
                old = try await range(prefix: "/", after: nil, limit: 1).revision
            } catch {
                // Another member's own compaction may have been faster: the revision is gone already.
                logger.debug("etcd was not compacted, trying again later", metadata: ["error": "\(error)"])
            }
        }
    }
}

struct EtcdAlarmRequest: Encodable {
    var action = "GET"
}

struct EtcdAlarms: Decodable {
    struct Alarm: Decodable {
        var alarm: String?
    }
    var alarms: [Alarm]?
}

struct EtcdCompaction: Encodable {
    var revision: EtcdNumber
}
