/// What the outbox knows, without its files: tickets, sequence numbers, which file holds what, and what may go.
///
/// The shell writes a frame, then tells the core where it lies; the core never runs ahead of the file. Sequence numbers
/// in here are stored ones: they never start again, also when a new stream is minted; `base` turns them into a stream's.
package struct OutboxCore: Sendable {
    package struct Limits: Sendable {
        package var bytesMax: UInt64
        package var recordsMax: UInt64
        package var memoryBytesMax: Int
        /// Held back in `bytesMax` for each call that was admitted and has not ended.
        package var reserveBytes: UInt64 = 8_192
        package init(bytesMax: UInt64, recordsMax: UInt64, memoryBytesMax: Int) {
            self.bytesMax = bytesMax
            self.recordsMax = recordsMax
            self.memoryBytesMax = memoryBytesMax
        }
    }

    struct Ticket: Sendable {
        var gateway: GatewayUID
        var id: RecordID
        /// The file that holds the intent; 0 when none was written.
        var segment: UInt64 = 0
        /// The intent's body: the row should no completion follow.
        var announced: [UInt8] = []
    }

    struct Segment: Sendable {
        var bytes: UInt64 = 0
        var unacknowledged = 0
        var openIntents = 0
        /// Other files with intents that a frame in this one resolves. It stays as long as they do: without it their
        /// intents would look open at the next start, and their calls would get a second row.
        var resolves: Set<UInt64> = []
        /// No unresolved intent of this file is smaller.
        var leastIntent = UInt64.max
        mutating func note(_ intent: UInt64) { leastIntent = min(leastIntent, intent) }
    }

    package internal(set) var stream: StreamID
    package internal(set) var statistics = DeliveryStatistics()
    let limits: Limits
    var nextIntent: UInt64
    var tickets: [UInt64: Ticket] = [:]
    var segments: [UInt64: Segment] = [:]
    var lanes: [OutboxLane] = []
    var laneOf: [GatewayUID: Int] = [:]
    /// Lanes with records that may be delivered.
    var waiting: Set<Int> = []
    var unsynced: [Int] = []
    var memoryBytes = 0
    /// Lanes in the order in which their payloads came into memory, with the payload's number.
    var memoryOrder: [(lane: Int, sequence: UInt64)] = []
    var memoryHead = 0
    /// Files that are to be removed.
    var removable: [OutboxBodies] = []
    /// Lanes whose `bodies` are not empty.
    var bodyLanes: Set<Int> = []
    private var resolvedBound: UInt64 = 0

    package init(stream: StreamID, limits: Limits, nextIntent: UInt64 = 1) {
        self.stream = stream
        self.limits = limits
        self.nextIntent = nextIntent
    }

    // MARK: Tickets

    /// - Returns: `nil` when the outbox is full.
    package mutating func admit(_ id: RecordID, gateway: GatewayUID) -> CaptureTicket? {
        let open = UInt64(tickets.count)
        guard statistics.bytes + (open + 1) * limits.reserveBytes <= limits.bytesMax,
            statistics.pending + open < limits.recordsMax
        else { return nil }
        let ticket = CaptureTicket(intent: nextIntent, id: id, gateway: gateway)
        nextIntent += 1
        tickets[ticket.intent] = Ticket(gateway: gateway, id: id)
        return ticket
    }

    package func isOpen(_ ticket: CaptureTicket) -> Bool { tickets[ticket.intent] != nil }

    /// - Returns: whether the intent is on disk, so that a frame must say that it makes no row.
    package func hasIntent(_ ticket: CaptureTicket) -> Bool { (tickets[ticket.intent]?.segment ?? 0) != 0 }

    package mutating func wroteIntent(_ ticket: CaptureTicket, announced: [UInt8], segment: UInt64, bytes: Int) {
        grow(segment, by: bytes)
        guard tickets[ticket.intent]?.segment == 0 else { return }
        tickets[ticket.intent]?.segment = segment
        tickets[ticket.intent]?.announced = announced
        segments[segment, default: Segment()].openIntents += 1
    }

    /// The ticket makes no row. `bytes` were written to say so.
    package mutating func abandoned(_ ticket: CaptureTicket, segment: UInt64 = 0, bytes: Int = 0) {
        if segment != 0 { grow(segment, by: bytes) }
        close(ticket.intent, by: segment)
    }

    private mutating func close(_ intent: UInt64, by segment: UInt64) {
        guard let ticket = tickets.removeValue(forKey: intent), ticket.segment != 0 else { return }
        segments[ticket.segment]?.openIntents -= 1
        if ticket.segment != segment { segments[segment]?.resolves.insert(ticket.segment) }
    }

    // MARK: Completions

    /// The stored number that the next completion of `gateway` must carry.
    package mutating func nextSequence(of gateway: GatewayUID) -> UInt64 { lanes[lane(gateway)].last + 1 }

    /// - Parameters:
    ///   - payload: kept in memory while there is room.
    ///   - bodies: of the record, when some lie in files.
    package mutating func completed(
        _ ticket: CaptureTicket, segment: UInt64, offset: UInt32, bytes: Int, payload: [UInt8],
        bodies: OutboxBodies? = nil
    ) {
        let index = lane(ticket.gateway)
        lanes[index].append(segment: segment, offset: offset)
        lanes[index].keep(payload)
        if let bodies {
            lanes[index].bodies.append(bodies)
            bodyLanes.insert(index)
        }
        remember(index, payload.count)
        if !lanes[index].isUnsynced {
            lanes[index].isUnsynced = true
            unsynced.append(index)
        }
        grow(segment, by: bytes)
        segments[segment]?.unacknowledged += 1
        segments[segment]?.note(ticket.intent)
        close(ticket.intent, by: segment)
        statistics.captured += 1
        statistics.pending += 1
    }

    /// What was written since the last call and is not synced; hand it to `synced` or `notSynced`.
    package mutating func takeUnsynced() -> [(lane: Int, through: UInt64)] {
        let marks = unsynced.map { (lane: $0, through: lanes[$0].last) }
        for mark in marks { lanes[mark.lane].isUnsynced = false }
        unsynced = []
        return marks
    }

    package mutating func notSynced(_ marks: [(lane: Int, through: UInt64)]) {
        for mark in marks where !lanes[mark.lane].isUnsynced {
            lanes[mark.lane].isUnsynced = true
            unsynced.append(mark.lane)
        }
    }

    /// These records may be delivered now: their numbers survive a power cut, so they are never given out again.
    package mutating func synced(_ marks: [(lane: Int, through: UInt64)]) {
        for mark in marks where mark.through > lanes[mark.lane].durable {
            lanes[mark.lane].durable = mark.through
            if lanes[mark.lane].isWaiting { waiting.insert(mark.lane) }
        }
    }

    // MARK: Acknowledgements and files

    /// - Parameter sequence: in the numbers of the current stream.
    package mutating func acknowledge(_ gateway: GatewayUID, through sequence: UInt64) {
        guard let index = laneOf[gateway] else { return }
        let through = min(sequence &+ lanes[index].base, lanes[index].durable)
        let before = lanes[index].acknowledged
        guard through > before else { return }
        while lanes[index].firstInMemory <= through, lanes[index].firstInMemory <= lanes[index].last {
            memoryBytes -= lanes[index].dropPayload()
        }
        var settled: [(UInt64, Int)] = []
        lanes[index].acknowledge(through: through) { settled.append(($0, $1)) }
        for (segment, count) in settled {
            segments[segment]?.unacknowledged -= count
            if segments[segment]?.unacknowledged == 0 { segments[segment]?.leastIntent = .max }
        }
        for row in lanes[index].dropBodies() {
            releaseBody(Int(row.bytes))
            removable.append(row)
            if lanes[index].bodies.isEmpty { bodyLanes.remove(index) }
        }
        statistics.acknowledged += through - before
        statistics.pending -= through - before
        if !lanes[index].isWaiting { waiting.remove(index) }
    }

    package mutating func opened(_ segment: UInt64, bytes: Int) { grow(segment, by: bytes) }

    /// Files that nothing needs any more, but for the one being written. Delete them in this order.
    package func deletable(except current: UInt64) -> [UInt64] {
        var gone: [UInt64] = []
        for (number, segment) in segments.sorted(by: { $0.key < $1.key }) where number != current {
            guard segment.unacknowledged == 0, segment.openIntents == 0,
                segment.resolves.allSatisfy({ segments[$0] == nil || gone.contains($0) })
            else { continue }
            gone.append(number)
        }
        return gone
    }

    package mutating func forget(_ segment: UInt64) {
        statistics.bytes -= segments.removeValue(forKey: segment)?.bytes ?? 0
    }

    package var counters: OutboxCounters {
        OutboxCounters(
            stream: stream, nextIntent: nextIntent,
            lanes: lanes.map {
                OutboxCounters.Lane(
                    gateway: $0.gateway, last: $0.last, acknowledged: $0.acknowledged, base: $0.base, lost: $0.lost)
            })
    }

    /// From here on under another name: what is not acknowledged counts from 1 again.
    package mutating func mint(_ stream: StreamID) {
        self.stream = stream
        for index in lanes.indices { lanes[index].base = lanes[index].acknowledged }
        storeAgain()
    }

    /// A number below which every intent is resolved; the greatest one when few are open, else perhaps an earlier one.
    package mutating func resolvedBelow() -> UInt64 {
        guard tickets.count + segments.count <= 512 || resolvedBound == 0 else { return resolvedBound }
        refreshResolved()
        return resolvedBound
    }

    package mutating func refreshResolved() {
        let open = tickets.keys.min() ?? nextIntent
        resolvedBound = segments.values.reduce(open) { min($0, $1.leastIntent) }
    }

    mutating func lane(_ gateway: GatewayUID) -> Int {
        if let index = laneOf[gateway] { return index }
        lanes.append(OutboxLane(gateway: gateway))
        laneOf[gateway] = lanes.count - 1
        return lanes.count - 1
    }

    mutating func grow(_ segment: UInt64, by bytes: Int) {
        segments[segment, default: Segment()].bytes += UInt64(bytes)
        statistics.bytes += UInt64(bytes)
    }

    /// Keeps the payloads in memory within their limit by dropping the oldest ones.
    private mutating func remember(_ lane: Int, _ bytes: Int) {
        memoryBytes += bytes
        memoryOrder.append((lane, lanes[lane].last))
        while memoryHead < memoryOrder.count {
            let (oldest, sequence) = memoryOrder[memoryHead]
            let isHeld = lanes[oldest].firstInMemory <= sequence
            if isHeld, memoryBytes <= limits.memoryBytesMax { break }
            if isHeld { memoryBytes -= lanes[oldest].dropPayload() }
            memoryHead += 1
        }
        if memoryHead > 4_096, memoryHead * 2 > memoryOrder.count {
            memoryOrder.removeFirst(memoryHead)
            memoryHead = 0
        }
        // One gateway that takes nothing must not keep the marks of all others behind it.
        if memoryOrder.count > 65_536, UInt64(memoryOrder.count) > 4 * statistics.pending {
            memoryOrder = memoryOrder[memoryHead...].filter { lanes[$0.lane].firstInMemory <= $0.sequence }
            memoryHead = 0
        }
    }
}
