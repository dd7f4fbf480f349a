extension OutboxCore {
    /// Where the next records of a gateway are. `first` is a number of the current stream.
    package enum Source: Sendable {
        case memory([[UInt8]])
        /// In order; all in files.
        case files([(segment: UInt64, offset: UInt32)])
        /// A damaged file has lost so many.
        case lost(Int)
    }

    package struct Plan: Sendable {
        package var stream: StreamID
        package var first: UInt64
        /// Stored number of the first record.
        package var stored: UInt64
        package var resolvedBelow: UInt64
        package var source: Source
        /// Of those among the records whose bodies lay in files.
        package var bodies: [OutboxBodies]
    }

    /// - Parameter sequence: where to start, in the current stream; what is acknowledged already is left out.
    package mutating func plan(
        _ gateway: GatewayUID, from sequence: UInt64?, recordsMax: Int, bytesMax: Int
    ) -> Plan? {
        guard let index = laneOf[gateway] else { return nil }
        let lane = lanes[index]
        let start = max(sequence.map { $0 &+ lane.base } ?? 0, lane.acknowledged + 1)
        guard start <= lane.deliverable else { return nil }
        let end = min(lane.deliverable, start + UInt64(max(recordsMax, 1)) - 1)
        return Plan(
            stream: stream, first: start - lane.base, stored: start, resolvedBelow: resolvedBelow(),
            source: source(lane, start, end, bytesMax),
            bodies: lane.bodies.filter { (start...end).contains($0.sequence) })
    }

    private func source(_ lane: OutboxLane, _ start: UInt64, _ end: UInt64, _ bytesMax: Int) -> Source {
        if start >= lane.firstInMemory {
            var payloads: [[UInt8]] = []
            var bytes = 0
            for sequence in start...end {
                let payload = lane.payload(sequence)
                bytes += payload.count
                if bytes > bytesMax, !payloads.isEmpty { break }
                payloads.append(payload)
            }
            return .memory(payloads)
        }
        let end = min(end, lane.firstInMemory - 1)
        var positions: [(segment: UInt64, offset: UInt32)] = []
        var sequence = start
        while sequence <= end, let run = lane.run(of: sequence) {
            guard run.segment != 0 else {
                if positions.isEmpty { return .lost(Int(min(run.last, end) - sequence + 1)) }
                break
            }
            let through = min(run.last, end)
            for offset in run.offsets[Int(sequence - run.first)...Int(through - run.first)] {
                positions.append((run.segment, offset))
            }
            sequence = through + 1
        }
        return .files(positions)
    }

    /// Longest waiting first.
    package func gatewaysWithRecords() -> [GatewayUID] {
        waiting.map { (lanes[$0].oldest, lanes[$0].gateway) }
            .sorted { ($0.0.segment, $0.0.offset, $0.1) < ($1.0.segment, $1.0.offset, $1.1) }
            .map(\.1)
    }

    package var hasRecords: Bool { !waiting.isEmpty }

    /// What an intent on disk announced, for a ticket whose completion could not be written.
    package func openIntent(_ ticket: CaptureTicket) -> [UInt8]? {
        tickets[ticket.intent].flatMap { $0.segment == 0 ? nil : $0.announced }
    }
}
