package import TidegateCore

#if canImport(FoundationEssentials)
    internal import FoundationEssentials
#else
    internal import Foundation
#endif

extension PeerParcel {
    package init(_ wire: Tidegate_Peer_Batch) throws(TidegateError) {
        guard !wire.records.isEmpty else { throw TidegateError(.invalidRequest, "a batch without records") }
        let batch = DeliveryBatch(
            stream: StreamID(bits: try UInt128(wire: wire.stream)),
            gateway: GatewayUID(bits: try UInt128(wire: wire.gateway)), firstSequence: wire.firstSequence,
            records: wire.records.map { [UInt8]($0)[...] }, resolvedBelow: wire.resolvedBelow)
        self.init(
            ticket: wire.ticket, batch: batch, relay: wire.hasRelay ? try PeerAddress(wire.relay) : nil)
    }

    package var wire: Tidegate_Peer_Batch {
        var wire = Tidegate_Peer_Batch()
        wire.ticket = ticket
        wire.stream = batch.stream.bits.wire
        wire.gateway = batch.gateway.bits.wire
        wire.firstSequence = batch.firstSequence
        wire.records = batch.records.map { Data($0) }
        wire.resolvedBelow = batch.resolvedBelow
        if let relay { wire.relay = relay.wire }
        return wire
    }
}

extension PeerAddress {
    init(_ wire: Tidegate_Peer_Address) throws(TidegateError) {
        guard !wire.node.isEmpty, !wire.host.isEmpty, (1...65_535).contains(wire.port) else {
            throw TidegateError(.invalidRequest, "an address of a node that lacks its name, host or port")
        }
        self.init(node: wire.node, host: wire.host, port: Int(wire.port))
    }

    var wire: Tidegate_Peer_Address {
        var wire = Tidegate_Peer_Address()
        wire.node = node
        wire.host = host
        wire.port = UInt32(clamping: port)
        return wire
    }
}

extension UInt128 {
    /// Big-endian, as people read the text form.
    var wire: Data { withUnsafeBytes(of: bigEndian) { Data($0) } }

    init(wire: Data) throws(TidegateError) {
        guard wire.count == 16 else {
            throw TidegateError(.invalidRequest, "an id of \(wire.count) bytes instead of 16")
        }
        self = wire.reduce(0) { $0 << 8 | UInt128($1) }
    }
}
