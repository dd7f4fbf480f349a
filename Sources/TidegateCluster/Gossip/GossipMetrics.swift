internal import Metrics
internal import Synchronization
internal import TidegateCore

/// What gossip reports; the counts can also be asked for, by tests and by status pages.
struct GossipMetrics: Sendable {
    private let members = Member.Status.allCases.map { status in
        Gauge(label: "tidegate_gossip_members", dimensions: [("status", "\(status)")])
    }
    private let received = Counter(label: "tidegate_gossip_datagrams_received_total")
    private let receivedBytes = Counter(label: "tidegate_gossip_received_bytes_total")
    private let sent = Counter(label: "tidegate_gossip_datagrams_sent_total")
    private let sentBytes = Counter(label: "tidegate_gossip_sent_bytes_total")
    private let dropped: [GossipDrop: Counter] = Dictionary(
        uniqueKeysWithValues: GossipDrop.all.map {
            ($0, Counter(label: "tidegate_gossip_dropped_total", dimensions: [("reason", $0.label)]))
        })
    private let roundTrip = Timer(label: "tidegate_gossip_probe_seconds")
    private let probes = Counter(label: "tidegate_gossip_probes_total")
    private let probesFailed = Counter(label: "tidegate_gossip_probe_failures_total")
    private let suspicions = Counter(label: "tidegate_gossip_suspicions_total")
    private let refutations = Counter(label: "tidegate_gossip_refutations_total")
    private let stalls = Counter(label: "tidegate_gossip_stalls_total")
    private let overflows = Counter(label: "tidegate_gossip_table_full_total")
    private let conflicts = Counter(label: "tidegate_gossip_conflicts_total")
    private let missedChanges = Counter(label: "tidegate_gossip_changes_missed_total")
    private let health = Gauge(label: "tidegate_gossip_health")

    func received(_ bytes: Int, _ counts: inout GossipCounts) {
        counts.received += 1
        counts.receivedBytes += bytes
        received.increment()
        receivedBytes.increment(by: bytes)
    }

    func sent(_ bytes: Int, _ counts: inout GossipCounts) {
        counts.sent += 1
        counts.sentBytes += bytes
        sent.increment()
        sentBytes.increment(by: bytes)
    }

    func dropped(_ reason: GossipDrop, _ counts: inout GossipCounts) {
        counts.dropped[reason, default: 0] += 1
        dropped[reason]?.increment()
    }

    func probed(_ time: Duration) {
        roundTrip.recordNanoseconds(Int64(clamping: Int128(time / .nanoseconds(1))))
    }

    func conflict() { conflicts.increment() }
    func missedChange() { missedChanges.increment() }

    /// What the core has counted since.
    func core(from old: SwimCore.Counters, to new: SwimCore.Counters) {
        for (counter, by) in [
            (probes, new.probes - old.probes), (probesFailed, new.probesFailed - old.probesFailed),
            (suspicions, new.suspicions - old.suspicions), (refutations, new.refutations - old.refutations),
            (stalls, new.stalls - old.stalls),
            (overflows, new.tableFull - old.tableFull + new.relaysFull - old.relaysFull),
        ] where by > 0 { counter.increment(by: by) }
    }

    func membership(_ membership: GossipMembership) {
        for (status, gauge) in zip(Member.Status.allCases, members) { gauge.record(membership.count(status)) }
        health.record(membership.health)
    }
}
