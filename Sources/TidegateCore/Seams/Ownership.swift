/// Which slot a gateway lies in.
package protocol GatewayHomes: Sendable {
    /// From memory; `nil` when it has to be asked for.
    func cachedSlot(of gateway: GatewayUID) -> SlotID?
    /// - Returns: `nil` when the gateway is gone for good (rests on a linearizable read).
    func slot(of gateway: GatewayUID) async throws(TidegateError) -> SlotID?
}

/// All gateways of an installation with one region: the hash says it all.
package struct OneRegion: GatewayHomes {
    private let region: String
    private let slotCount: Int

    package init(_ region: String, slotCount: Int) {
        self.region = region
        self.slotCount = slotCount
    }

    package func cachedSlot(of gateway: GatewayUID) -> SlotID? {
        SlotID(region: region, index: SlotHash.index(of: gateway, count: slotCount))
    }
    package func slot(of gateway: GatewayUID) async throws(TidegateError) -> SlotID? { cachedSlot(of: gateway) }
}

/// Whoever serves slots in this process, as the one who decides which sees it.
package protocol SlotKeeper: Sendable {
    /// Returns when the slot is claimed, recovered and served.
    /// - Parameter seen: the slot's epoch when it was found to be without an owner; `nil` robs whoever has it.
    /// - Throws: `.notOwner` when somebody else was faster.
    func claim(_ slot: SlotID, seen: Epoch?) async throws(TidegateError)
    /// Finishes what is in flight, takes a snapshot, and gives the slot up. Returns when it is free, or was lost.
    func release(_ slot: SlotID, to node: String?) async
    /// The slot is somebody else's: ends serving it at once.
    func abandon(_ slot: SlotID)
    /// Slots that are served here, those that are being recovered included.
    var servedSlots: [SlotID] { get }
    /// Elements say that a slot is served no longer, or that a claim came to nothing. One reader.
    var endings: AsyncStream<Void> { get }
}
