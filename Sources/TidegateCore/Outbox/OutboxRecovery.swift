/// Rebuilds an outbox from the frames of its files, given in the order of the files' numbers.
///
/// A number that is missing was either deleted with its file, which means acknowledged, or lost in a damaged one. The
/// first is known from the files' own numbers: where one is absent, everything up to the next file's counters is settled.
/// The second is kept as a hole, so that nothing behind it changes its number.
package struct OutboxRecovery: Sendable {
    package struct OpenIntent: Equatable, Sendable {
        package var ticket: CaptureTicket
        package var announced: [UInt8]
        package init(ticket: CaptureTicket, announced: [UInt8]) {
            self.ticket = ticket
            self.announced = announced
        }

        /// The row of a call that nobody will complete.
        package var abortedRow: LogRecord {
            let announced = try? LogRecord(encoded: announced[...])
            // An intent that cannot be read still says that there was a call.
            var row =
                announced
                ?? LogRecord(id: ticket.id, gateway: ticket.gateway, startedAtMs: ticket.id.milliseconds)
            (row.id, row.gateway, row.outcome) = (ticket.id, ticket.gateway, .aborted)
            return row
        }
    }

    private struct Lane {
        var runs: [OutboxLane.Run] = []
        var bodies: [OutboxBodies] = []
        var last: UInt64 = 0
        var acknowledged: UInt64 = 0
        var base: UInt64 = 0
        /// Half-open from below: numbers that a deleted file can have held.
        var settled: [(above: UInt64, through: UInt64)] = []
        /// Numbers that an earlier start already knew to be lost.
        var lost: [ClosedRange<UInt64>] = []
        /// What the counters of the file before said.
        var counted: UInt64 = 0
    }

    private var stream: StreamID?
    private var nextIntent: UInt64 = 1
    private var lanes: [GatewayUID: Lane] = [:]
    private var order: [GatewayUID] = []
    private var intents: [UInt64: (frame: OutboxFrame, segment: UInt64, announced: [UInt8])] = [:]
    var segments: [UInt64: OutboxCore.Segment] = [:]
    private var previous: UInt64 = 0

    package init() {}

    /// Numbers that the cursor file knows; before the files are read.
    package mutating func cursor(_ counters: OutboxCounters) {
        adopt(counters)
        for lane in counters.lanes {
            update(lane.gateway) { $0.acknowledged = max($0.acknowledged, lane.acknowledged) }
        }
    }

    /// A file begins. `counters` is `nil` when its head is damaged.
    package mutating func begin(_ segment: UInt64, bytes: Int, counters: OutboxCounters?) {
        segments[segment, default: OutboxCore.Segment()].bytes = UInt64(bytes)
        defer { previous = segment }
        guard let counters else { return }
        adopt(counters)
        let isBehindDeleted = segment != previous + 1
        for counted in counters.lanes {
            update(counted.gateway) { lane in
                if isBehindDeleted { lane.settled.append((lane.counted, counted.last)) }
                lane.counted = counted.last
                lane.acknowledged = max(lane.acknowledged, counted.acknowledged)
            }
        }
    }

    /// - Parameter body: the frame's.
    package mutating func add(_ frame: OutboxFrame, body: ArraySlice<UInt8>, segment: UInt64, offset: Int) {
        nextIntent = max(nextIntent, frame.intent + 1)
        switch frame.kind {
        case .intent:
            intents[frame.intent] = (frame, segment, Array(body))
        case .abandoned:
            resolve(frame.intent, by: segment)
        case .completion:
            resolve(frame.intent, by: segment)
            guard let offset = UInt32(exactly: offset) else { return }
            update(frame.gateway) { lane in
                if let newest = lane.runs.indices.last, lane.runs[newest].segment == segment,
                    lane.runs[newest].last + 1 == frame.sequence
                {
                    lane.runs[newest].offsets.append(offset)
                } else if frame.sequence > (lane.runs.last?.last ?? 0) {
                    lane.runs.append(OutboxLane.Run(segment: segment, first: frame.sequence, offsets: [offset]))
                } else {
                    return  // a number that was there before: only a foreign file can do that
                }
                lane.last = max(lane.last, frame.sequence)
                if !frame.files.isEmpty, let record = try? LogRecord(encoded: body),
                    let row = OutboxBodies(record, sequence: frame.sequence, intent: frame.intent)
                {
                    lane.bodies.append(row)
                }
            }
            segments[segment]?.note(frame.intent)
        case .segment, .cursor: break
        }
    }

    /// - Parameters:
    ///   - stream: the name to use when the files do not say one that can be trusted.
    ///   - intentGap: added to the next intent number, because tickets that were never written have used some.
    /// - Returns: intents without an end, oldest first: their tickets are open in the core.
    package consuming func finish(
        limits: OutboxCore.Limits, stream fresh: StreamID, intentGap: UInt64 = 1 << 20
    ) -> (core: OutboxCore, open: [OpenIntent], lost: UInt64) {
        var core = OutboxCore(
            stream: stream ?? fresh, limits: limits, nextIntent: nextIntent == 1 ? 1 : nextIntent + intentGap)
        core.segments = segments
        core.statistics.bytes = segments.values.reduce(0) { $0 + $1.bytes }
        var lost: UInt64 = 0
        for gateway in order { lost += Self.restore(gateway, lanes[gateway] ?? Lane(), &core) }
        for segment in core.segments.keys where core.segments[segment]?.unacknowledged == 0 {
            core.segments[segment]?.leastIntent = .max
        }
        var open: [OpenIntent] = []
        for (intent, (frame, segment, announced)) in intents.sorted(by: { $0.key < $1.key }) {
            let ticket = CaptureTicket(intent: intent, id: frame.id, gateway: frame.gateway)
            core.tickets[intent] = OutboxCore.Ticket(
                gateway: frame.gateway, id: frame.id, segment: segment, announced: announced)
            core.segments[segment]?.openIntents += 1
            open.append(OpenIntent(ticket: ticket, announced: announced))
        }
        return (core, open, lost)
    }

    private static func restore(_ gateway: GatewayUID, _ found: Lane, _ core: inout OutboxCore) -> UInt64 {
        var acknowledged = found.acknowledged
        var gaps: [(first: UInt64, last: UInt64)] = []
        var next: UInt64 = 1
        for run in found.runs {
            if run.first > next { gaps.append((next, run.first - 1)) }
            next = run.last + 1
        }
        if next <= found.last { gaps.append((next, found.last)) }
        for gap in gaps.flatMap({ unknown(in: $0, found.lost) }) {
            for settled in found.settled where settled.above < gap.last && settled.through >= gap.first {
                acknowledged = max(acknowledged, min(gap.last, settled.through))
            }
        }
        let holes = gaps.filter { $0.last > acknowledged }.map { gap in
            let first = max(gap.first, acknowledged + 1)
            return OutboxLane.Run(segment: 0, first: first, lostCount: gap.last - first + 1)
        }
        let runs = (found.runs.filter { $0.last > acknowledged } + holes).sorted { $0.first < $1.first }
        let index = core.lane(gateway)
        core.lanes[index].last = found.last
        core.lanes[index].durable = found.last
        core.lanes[index].acknowledged = acknowledged
        core.lanes[index].base = found.base
        core.lanes[index].restore(runs)
        core.lanes[index].bodies = found.bodies.filter { $0.sequence > acknowledged }
        core.statistics.bytes += core.lanes[index].bodies.reduce(0) { $0 + $1.bytes }
        if !core.lanes[index].bodies.isEmpty { core.bodyLanes.insert(index) }
        for run in runs where run.segment != 0 {
            core.segments[run.segment]?.unacknowledged += Int(run.last - max(run.first, acknowledged + 1) + 1)
        }
        core.statistics.pending += found.last - acknowledged
        if core.lanes[index].isWaiting { core.waiting.insert(index) }
        return holes.reduce(0) { $0 + $1.lostCount }
    }

    /// What of a gap no earlier start has called lost: it may have gone with a file whose records were acknowledged.
    private static func unknown(
        in gap: (first: UInt64, last: UInt64), _ lost: [ClosedRange<UInt64>]
    ) -> [(first: UInt64, last: UInt64)] {
        var rest = [gap]
        for range in lost {
            rest = rest.flatMap { piece -> [(first: UInt64, last: UInt64)] in
                guard range.overlaps(piece.first...piece.last) else { return [piece] }
                var pieces: [(first: UInt64, last: UInt64)] = []
                if piece.first < range.lowerBound { pieces.append((piece.first, range.lowerBound - 1)) }
                if piece.last > range.upperBound { pieces.append((range.upperBound + 1, piece.last)) }
                return pieces
            }
        }
        return rest
    }

    private mutating func adopt(_ counters: OutboxCounters) {
        stream = counters.stream
        nextIntent = max(nextIntent, counters.nextIntent)
        for counted in counters.lanes {
            update(counted.gateway) { lane in
                lane.last = max(lane.last, counted.last)
                lane.base = counted.base
                lane.lost += counted.lost.filter { !lane.lost.contains($0) }
            }
        }
    }

    private mutating func resolve(_ intent: UInt64, by segment: UInt64) {
        guard let announced = intents.removeValue(forKey: intent), announced.segment != segment else { return }
        segments[segment]?.resolves.insert(announced.segment)
    }

    private mutating func update(_ gateway: GatewayUID, _ change: (inout Lane) -> Void) {
        if lanes[gateway] == nil { order.append(gateway) }
        change(&lanes[gateway, default: Lane()])
    }
}

extension OutboxRecovery {
    /// What the file takes on disk.
    package mutating func size(_ segment: UInt64, bytes: Int) {
        segments[segment, default: OutboxCore.Segment()].bytes = UInt64(bytes)
    }
}
