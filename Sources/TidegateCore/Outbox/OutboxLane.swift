/// The records of one gateway in the outbox: a queue by stored sequence number. Four bytes a record, and the newest
/// payloads as long as they are kept in memory.
struct OutboxLane: Sendable {
    /// Consecutive records in one segment file; segment 0 stands for records that a damaged file has lost.
    struct Run: Sendable {
        var segment: UInt64
        var first: UInt64
        var offsets: [UInt32] = []
        var lostCount: UInt64 = 0
        var count: UInt64 { segment == 0 ? lostCount : UInt64(offsets.count) }
        var last: UInt64 { first + count - 1 }
    }

    let gateway: GatewayUID
    /// Given out, synced, acknowledged: `acknowledged ≤ durable ≤ last`.
    var last: UInt64 = 0
    var durable: UInt64 = 0
    var acknowledged: UInt64 = 0
    var base: UInt64 = 0
    var isUnsynced = false
    /// Rows whose bodies lie in files, in the order of their numbers.
    var bodies: [OutboxBodies] = []
    private(set) var runs: [Run] = []
    private var firstRun = 0
    /// Payloads of the newest records, up to `last`.
    private var payloads: [[UInt8]] = []
    private var firstPayload = 0

    init(gateway: GatewayUID) { self.gateway = gateway }

    /// Sequence of the oldest record whose payload is in memory; `last + 1` when there is none.
    var firstInMemory: UInt64 { last + 1 - UInt64(payloads.count - firstPayload) }
    var isWaiting: Bool { acknowledged < deliverable }

    mutating func append(segment: UInt64, offset: UInt32) {
        last += 1
        if let newest = runs.indices.last, newest >= firstRun, runs[newest].segment == segment {
            runs[newest].offsets.append(offset)
        } else {
            runs.append(Run(segment: segment, first: last, offsets: [offset]))
        }
    }

    mutating func keep(_ payload: [UInt8]) { payloads.append(payload) }

    func payload(_ sequence: UInt64) -> [UInt8] { payloads[firstPayload + Int(sequence - firstInMemory)] }

    /// Drops the oldest payload from memory.
    /// - Returns: its size.
    mutating func dropPayload() -> Int {
        guard firstPayload < payloads.count else { return 0 }
        let bytes = payloads[firstPayload].count
        payloads[firstPayload] = []
        firstPayload += 1
        if firstPayload == payloads.count || (firstPayload > 1_024 && firstPayload * 2 > payloads.count) {
            payloads.removeFirst(firstPayload)
            firstPayload = 0
        }
        return bytes
    }

    /// The run that holds `sequence`, which is behind `acknowledged` and not behind `last`.
    func run(of sequence: UInt64) -> Run? {
        var range = firstRun..<runs.count
        while range.count > 1 {
            let middle = range.lowerBound + range.count / 2
            range = runs[middle].first <= sequence ? middle..<range.upperBound : range.lowerBound..<middle
        }
        guard let index = range.first, runs[index].first <= sequence, sequence <= runs[index].last else { return nil }
        return runs[index]
    }

    /// - Parameter settle: told for each segment how many of its records are now acknowledged.
    mutating func acknowledge(through sequence: UInt64, settle: (UInt64, Int) -> Void) {
        while firstRun < runs.count, runs[firstRun].first <= sequence {
            let run = runs[firstRun]
            let from = max(run.first, acknowledged + 1)
            let through = min(run.last, sequence)
            if run.segment != 0, from <= through { settle(run.segment, Int(through - from + 1)) }
            if run.last > sequence { break }
            runs[firstRun].offsets = []
            firstRun += 1
        }
        acknowledged = sequence
        if firstRun == runs.count || (firstRun > 64 && firstRun * 2 > runs.count) {
            runs.removeFirst(firstRun)
            firstRun = 0
        }
    }

    /// Numbers without records, as far as they are not acknowledged.
    var lost: [ClosedRange<UInt64>] {
        runs[firstRun...].filter { $0.segment == 0 && $0.last > acknowledged }.map { $0.first...$0.last }
    }

    /// Takes what recovery found.
    mutating func restore(_ found: [Run]) { runs = found }

    /// Where the oldest waiting record lies: earlier files first.
    var oldest: (segment: UInt64, offset: UInt32) {
        guard let run = run(of: acknowledged + 1), run.segment != 0 else { return (0, 0) }
        return (run.segment, run.offsets[Int(acknowledged + 1 - run.first)])
    }
}
