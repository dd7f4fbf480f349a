/// Which of a row's bodies.
package struct BodyParts: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }
    package static let request = BodyParts(rawValue: 1)
    package static let response = BodyParts(rawValue: 2)
}

/// The bodies of one row that lie in files beside the outbox, until the row is acknowledged.
package struct OutboxBodies: Equatable, Sendable {
    package enum State: Equatable, Sendable {
        case waiting
        case stored(key: String)
        /// The file is gone or cut, or nobody needs it.
        case lost
    }
    package struct Body: Equatable, Sendable {
        package let part: BodyPart
        package let bytes: Int
        package var state = State.waiting
    }

    /// Stored number of the row.
    package private(set) var sequence: UInt64
    package let intent: UInt64
    package internal(set) var bodies: [Body]

    /// - Returns: `nil` when no body of the record lies in a file.
    package init?(_ record: LogRecord, sequence: UInt64, intent: UInt64) {
        // Of every row this is asked, and few have any.
        if record.requestObject.isEmpty, record.responseObject.isEmpty { return nil }
        self.sequence = sequence
        self.intent = intent
        bodies = [(BodyPart.request, record.requestObject), (.response, record.responseObject)].compactMap {
            part, text in BodyMark.bytes(text).map { Body(part: part, bytes: $0) }
        }
        if bodies.isEmpty { return nil }
    }

    package consuming func at(_ sequence: UInt64) -> OutboxBodies {
        self.sequence = sequence
        return self
    }

    package var isWaiting: Bool { bodies.contains { $0.state == .waiting } }
    package var bytes: UInt64 { bodies.reduce(0) { $0 + UInt64($1.bytes) } }
    package var parts: BodyParts {
        bodies.reduce(into: []) { $0.insert($1.part == .request ? .request : .response) }
    }

    /// The record as it is delivered: with objects for files, or without the bodies that were lost.
    package func applied(to payload: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard var record = try? LogRecord(encoded: payload) else { return payload }
        for body in bodies {
            switch (body.state, body.part) {
            case (.stored(let key), .request): record.requestObject = key
            case (.stored(let key), .response): record.responseObject = key
            case (_, .request):
                record.requestObject = ""
                record.flags.insert(.requestBodyTruncated)
            case (_, .response):
                record.responseObject = ""
                record.flags.insert(.responseBodyTruncated)
            }
        }
        return record.encoded()[...]
    }
}

extension OutboxLane {
    /// What may be delivered: everything synced before the first row that waits for its bodies.
    var deliverable: UInt64 {
        guard let held = bodies.first(where: \.isWaiting) else { return durable }
        return min(durable, held.sequence - 1)
    }

    /// - Returns: the bodies of rows that are acknowledged.
    mutating func dropBodies() -> [OutboxBodies] {
        guard let first = bodies.first, first.sequence <= acknowledged else { return [] }
        let gone = bodies.prefix { $0.sequence <= acknowledged }
        bodies.removeFirst(gone.count)
        return Array(gone)
    }
}

extension OutboxCore {
    /// Takes room for bytes of a body's file. The last quarter of what the outbox may hold is for rows.
    package mutating func reserveBody(_ bytes: Int, for ticket: CaptureTicket) -> Bool {
        guard isOpen(ticket) else { return false }
        let reserve = UInt64(tickets.count) * limits.reserveBytes
        guard statistics.bytes + UInt64(bytes) + reserve <= limits.bytesMax / 4 * 3 else { return false }
        statistics.bytes += UInt64(bytes)
        return true
    }

    /// The file is gone.
    package mutating func releaseBody(_ bytes: Int) { statistics.bytes -= min(UInt64(bytes), statistics.bytes) }

    /// Round by round: each gateway's first, then each gateway's second, the earliest call first in each round.
    package func waitingBodies(limit: Int) -> [WaitingBody] {
        var found: [(round: Int, body: WaitingBody)] = []
        for index in bodyLanes {
            let lane = lanes[index]
            var round = 0
            for row in lane.bodies where row.sequence <= lane.durable {
                for body in row.bodies where body.state == .waiting {
                    let place = WaitingBody.Place(lane.gateway, row.sequence, body.part)
                    let waiting = WaitingBody(place: place, stream: stream, intent: row.intent, bytes: body.bytes)
                    found.append((round, waiting))
                    round += 1
                }
                if round >= limit { break }
            }
        }
        found.sort { ($0.round, $0.body.intent) < ($1.round, $1.body.intent) }
        return found.prefix(max(limit, 0)).map(\.body)
    }

    /// A body that was stored under the stream's last name waits once more.
    package mutating func settle(_ waiting: WaitingBody, _ state: OutboxBodies.State) {
        let place = waiting.place
        guard state == .lost || waiting.stream == stream, let lane = laneOf[place.gateway],
            let row = lanes[lane].bodies.firstIndex(where: { $0.sequence == place.sequence }),
            let body = lanes[lane].bodies[row].bodies.firstIndex(where: { $0.part == place.part })
        else { return }
        lanes[lane].bodies[row].bodies[body].state = state
        if lanes[lane].isWaiting { self.waiting.insert(lane) }
    }

    /// After a new name: whoever else uses the old one says of our numbers, too, when they are resolved, and then what is
    /// stored under them may be taken for garbage (A34).
    mutating func storeAgain() {
        for lane in bodyLanes {
            for row in lanes[lane].bodies.indices {
                for body in lanes[lane].bodies[row].bodies.indices {
                    guard case .stored = lanes[lane].bodies[row].bodies[body].state else { continue }
                    lanes[lane].bodies[row].bodies[body].state = .waiting
                }
            }
            if !lanes[lane].isWaiting { waiting.remove(lane) }
        }
    }

    package var hasWaitingBodies: Bool { bodyLanes.contains { lanes[$0].bodies.contains(where: \.isWaiting) } }

    /// Files of rows that are acknowledged since the last call.
    package mutating func takeRemovable() -> [OutboxBodies] {
        defer { removable = [] }
        return removable
    }

    /// Every file that a row still needs.
    package var bodyFiles: [(intent: UInt64, part: BodyPart)] {
        bodyLanes.flatMap { lanes[$0].bodies.flatMap { row in row.bodies.map { (row.intent, $0.part) } } }
    }
}
