internal import Metrics
internal import Synchronization
package import TidegateCore

/// The way of this node's rows to whoever owns their slot: read from the ownership replica, never computed (A19).
///
/// Nothing is forwarded twice: an owner that has moved answers `moved`, and the outbox sends again.
package final class RecordRouter: RecordReceiver {
    private let homes: any GatewayHomes
    private let replica: OwnershipReplica
    private let local: any RecordReceiver
    private let transport: any PeerTransport
    private let health = Mutex(PeerHealth())
    private let origin = ContinuousClock.now
    private let forwarded = Counter(label: "tidegate_records_forwarded_total")
    private let relayed = Counter(label: "tidegate_records_relayed_total")
    /// A slot without an owner: about as long as a claim takes.
    private static let unownedPause = Duration.milliseconds(250)

    package init(
        homes: any GatewayHomes, replica: OwnershipReplica, local: any RecordReceiver, transport: any PeerTransport
    ) {
        (self.homes, self.replica, self.local, self.transport) = (homes, replica, local, transport)
    }

    package func submit(_ batch: DeliveryBatch, reply: @escaping @Sendable ([RecordVerdict]) -> Void) {
        if let slot = homes.cachedSlot(of: batch.gateway) { return submit(batch, to: slot, reply: reply) }
        // Rare: a gateway that this node's settings do not have yet, or have no more.
        Task {
            do throws(TidegateError) {
                guard let slot = try await homes.slot(of: batch.gateway) else {
                    return reply(Array(repeating: .gone, count: batch.records.count))
                }
                submit(batch, to: slot, reply: reply)
            } catch {
                reply(Self.later(batch, .unavailable))
            }
        }
    }

    private static func later(_ batch: DeliveryBatch, _ reason: LaterReason) -> [RecordVerdict] {
        Array(repeating: .later(after: unownedPause, reason: reason), count: batch.records.count)
    }

    private func submit(
        _ batch: DeliveryBatch, to slot: SlotID, reply: @escaping @Sendable ([RecordVerdict]) -> Void
    ) {
        switch replica.route(to: slot) {
        case .here: local.submit(batch, reply: reply)
        case .nobody: reply(Self.later(batch, .recovering))
        case .peer(let peer): send(batch, to: peer, reply: reply)
        }
    }

    private func send(
        _ batch: DeliveryBatch, to peer: PeerAddress, reply: @escaping @Sendable ([RecordVerdict]) -> Void
    ) {
        let now = origin.duration(to: .now)
        forwarded.increment(by: batch.records.count)
        if health.withLock({ $0.needsRelay(peer.node, at: now) }), let third = third(besides: peer) {
            relayed.increment(by: batch.records.count)
            return transport.submit(batch, to: third, relay: peer, reply: reply)
        }
        transport.submit(batch, to: peer, relay: nil) { [self] verdicts in
            note(peer, verdicts)
            reply(verdicts)
        }
    }

    private func note(_ peer: PeerAddress, _ verdicts: [RecordVerdict]) {
        let now = origin.duration(to: .now)
        health.withLock { health in
            if case .later(_, .unreachable) = verdicts.first {
                health.failed(peer.node, at: now)
            } else {
                health.succeeded(peer.node)
            }
        }
    }

    private func third(besides peer: PeerAddress) -> PeerAddress? {
        replica.peers.first { other in other != peer && !health.withLock { $0.isTroubled(other.node) } }
    }
}
