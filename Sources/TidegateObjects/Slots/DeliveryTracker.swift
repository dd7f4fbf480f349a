internal import TidegateCore

/// One batch on its way to verdicts. Belongs to the slot's actor; calls back once, when the last verdict is in.
final class DeliveryTracker {
    private var verdicts: [RecordVerdict]
    private var open: Int
    private let reply: @Sendable ([RecordVerdict]) -> Void

    init(count: Int, reply: @escaping @Sendable ([RecordVerdict]) -> Void) {
        verdicts = Array(repeating: .moved, count: count)
        open = count
        self.reply = reply
        if count == 0 { reply([]) }
    }

    /// Notes what `range` will be answered once its object is committed.
    func expect(_ verdict: RecordVerdict, at index: Int) { verdicts[index] = verdict }

    /// The noted verdicts of `range` hold now.
    func settle(_ range: Range<Int>) {
        open -= range.count
        if open == 0 { reply(verdicts) }
    }

    func settle(_ range: Range<Int>, as verdict: RecordVerdict) {
        for index in range { verdicts[index] = verdict }
        settle(range)
    }
}

/// Records of one batch whose verdicts wait for one object.
struct AwaitedRange {
    let tracker: DeliveryTracker
    var range: Range<Int>
}

/// A batch that waits: for its gateway to open, for rows, or for an eviction.
struct ParkedBatch {
    let batch: DeliveryBatch
    let tracker: DeliveryTracker
    /// First record that is not decided.
    var next = 0
    var rest: Range<Int> { next..<batch.records.count }
}

/// The entries that go into the next log object.
struct OpenObject {
    struct Section {
        let gateway: GatewayUID
        var entries: [GatewayEntry] = []
        /// Rows among the entries.
        var rows: Int64 = 0
    }

    private(set) var sections: [Section] = []
    private var places: [GatewayUID: Int] = [:]
    private(set) var awaited: [AwaitedRange] = []
    private(set) var replies: [@Sendable (Result<LogPosition, TidegateError>) -> Void] = []
    /// Objects that are garbage once this one is committed.
    private(set) var refusedBodies: [String] = []
    private(set) var bytes = 0
    private(set) var count = 0
    /// When the first entry came.
    private(set) var since: Duration?
    var isEmpty: Bool { count == 0 }
    var isFull: Bool { count >= LSN.entriesPerObjectMax }

    mutating func add(_ entry: GatewayEntry, to gateway: GatewayUID, bytes: Int, isRow: Bool, at now: Duration) {
        since = since ?? now
        let place = places[gateway] ?? sections.count
        if place == sections.count {
            sections.append(Section(gateway: gateway))
            places[gateway] = place
        }
        sections[place].entries.append(entry)
        if isRow { sections[place].rows += 1 }
        self.bytes += bytes
        count += 1
    }

    mutating func refuse(body key: String) { refusedBodies.append(key) }

    mutating func awaitCommit(_ tracker: DeliveryTracker, _ index: Int) {
        if let last = awaited.indices.last, awaited[last].tracker === tracker, awaited[last].range.upperBound == index {
            awaited[last].range = awaited[last].range.lowerBound..<(index + 1)
        } else {
            awaited.append(AwaitedRange(tracker: tracker, range: index..<(index + 1)))
        }
    }

    mutating func awaitCommit(_ reply: @escaping @Sendable (Result<LogPosition, TidegateError>) -> Void) {
        replies.append(reply)
    }
}

/// An object whose bytes are frozen.
struct SealedObject {
    var content: OpenObject
    let frozen: LogObjectWriter.Frozen
}
