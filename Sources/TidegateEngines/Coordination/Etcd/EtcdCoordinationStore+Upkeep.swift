internal import FoundationEssentials
internal import Logging
package import TidegateCore

// What keeps an etcd from filling up (protocol A22): it keeps every revision until it is told not to, and takes no writes
// once its quota is used.
extension EtcdCoordinationStore {
    /// What the protocol asks of the quota: a cluster's heads move a thousand times a second.
    private static let quotaBytesWanted = 8.0 * 1_073_741_824

    /// - Throws: `.invalidConfiguration` when etcd takes no writes any more; what a call throws when it cannot be asked.
    package func check() async throws(TidegateError) {
        let answer: EtcdAlarms = try await client.call("/v3/maintenance/alarm", EtcdAlarmRequest(), .read)
        let raised = (answer.alarms ?? []).compactMap(\.alarm)
        guard !raised.contains("NOSPACE") else {
            throw TidegateError(
                .invalidConfiguration,
                "etcd is full and takes no writes: compact and defragment it, then `etcdctl alarm disarm`.")
        }
        if let quota = await client.metric("etcd_server_quota_backend_bytes"), quota < Self.quotaBytesWanted {
            logger.warning(
                "etcd's quota is small: start its members with --quota-backend-bytes=8589934592",
                metadata: ["quota.bytes": "\(Int64(quota))"])
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
