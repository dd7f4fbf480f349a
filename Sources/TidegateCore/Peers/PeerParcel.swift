/// A batch on its way to a peer.
package struct PeerParcel: Sendable {
    /// Names it on one delivery call; grows from parcel to parcel.
    package var ticket: UInt64
    package var batch: DeliveryBatch
    package var relay: PeerAddress?

    package init(ticket: UInt64, batch: DeliveryBatch, relay: PeerAddress?) {
        self.ticket = ticket
        self.batch = batch
        self.relay = relay
    }

    /// What it costs of the receiver's credit, in bytes. Both ends count alike: `peer.proto` states the rule. The constants
    /// stand for what a batch and a record take in memory besides their bytes, so that many small ones are bounded too.
    package var cost: Int { batch.bytes + 16 * batch.records.count + 1_024 }
}
