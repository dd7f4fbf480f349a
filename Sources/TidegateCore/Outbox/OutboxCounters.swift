/// How far an outbox has come: written at the head of each segment file and into the cursor file, so that sequence
/// numbers go on where they were even when all files before are gone.
package struct OutboxCounters: Equatable, Sendable {
    package struct Lane: Equatable, Sendable {
        package var gateway: GatewayUID
        /// Newest number given out, and newest acknowledged, both as stored in the files.
        package var last: UInt64
        package var acknowledged: UInt64
        /// Subtracted from a stored number to get the one that the current stream uses.
        package var base: UInt64
        /// Numbers whose records a torn or damaged file has lost. Written down, because a later start could take them for
        /// records that were acknowledged and deleted with their file.
        package var lost: [ClosedRange<UInt64>]

        package init(
            gateway: GatewayUID, last: UInt64, acknowledged: UInt64, base: UInt64, lost: [ClosedRange<UInt64>] = []
        ) {
            self.lost = lost
            self.gateway = gateway
            self.last = last
            self.acknowledged = acknowledged
            self.base = base
        }
    }

    package var stream: StreamID
    package var nextIntent: UInt64
    package var lanes: [Lane]

    package init(stream: StreamID, nextIntent: UInt64 = 1, lanes: [Lane] = []) {
        self.stream = stream
        self.nextIntent = nextIntent
        self.lanes = lanes
    }

    package func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: 32 + lanes.count * 40)
        writer.fixed(stream.bits)
        writer.fixed(nextIntent)
        writer.varint(UInt64(lanes.count))
        for lane in lanes {
            writer.fixed(lane.gateway.bits)
            writer.varint(lane.last)
            writer.varint(lane.acknowledged)
            writer.varint(lane.base)
        }
        // Nothing for no holes: so it was before there were any to tell of.
        if lanes.contains(where: { !$0.lost.isEmpty }) {
            for lane in lanes {
                writer.varint(UInt64(lane.lost.count))
                for range in lane.lost {
                    writer.varint(range.lowerBound)
                    writer.varint(range.upperBound)
                }
            }
        }
        return writer.finish()
    }

    package init(encoded bytes: ArraySlice<UInt8>) throws(TidegateError) {
        var reader = ByteReader(bytes)
        stream = StreamID(bits: try reader.fixed())
        nextIntent = try reader.fixed()
        lanes = []
        for _ in 0..<(try reader.length(max: bytes.count)) {
            lanes.append(
                Lane(
                    gateway: GatewayUID(bits: try reader.fixed()), last: try reader.varint(),
                    acknowledged: try reader.varint(), base: try reader.varint()))
        }
        guard !reader.isAtEnd else { return }
        for index in lanes.indices {
            for _ in 0..<(try reader.length(max: bytes.count)) {
                let (first, last) = (try reader.varint(), try reader.varint())
                guard first <= last else { throw TidegateError(.corrupt, "The outbox's holes end before they begin.") }
                lanes[index].lost.append(first...last)
            }
        }
    }
}
