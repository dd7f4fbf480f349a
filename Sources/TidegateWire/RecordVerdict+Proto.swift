package import TidegateCore

extension Tidegate_Peer_Verdicts {
    package init(ticket: UInt64, _ verdicts: [RecordVerdict]) {
        self.init()
        self.ticket = ticket
        var rest = verdicts[...]
        while let first = rest.first {
            let alike = rest.prefix { $0 == first }
            var run = Tidegate_Peer_Run(first)
            run.count = UInt32(clamping: alike.count)
            runs.append(run)
            rest = rest.dropFirst(alike.count)
        }
    }

    /// - Parameter records: how many the batch has.
    /// - Throws: `.invalidRequest` when not every record is decided.
    package func verdicts(of records: Int) throws(TidegateError) -> [RecordVerdict] {
        var verdicts: [RecordVerdict] = []
        verdicts.reserveCapacity(records)
        for run in runs {
            guard run.count <= records - verdicts.count else { break }
            verdicts += repeatElement(run.verdict, count: Int(run.count))
        }
        guard verdicts.count == records, runs.reduce(0, { $0 + Int($1.count) }) == records else {
            throw TidegateError(.invalidRequest, "the peer has not decided on each of \(records) records")
        }
        return verdicts
    }
}

extension Tidegate_Peer_Run {
    init(_ verdict: RecordVerdict) {
        self.init()
        switch verdict {
        case .committed: decision = .committed
        case .duplicate: decision = .duplicate
        case .permanent(let why):
            decision = .permanent
            reason = UInt32(Tidegate_Peer_PermanentReason(why).rawValue)
        case .gone: decision = .gone
        case .later(let after, let why):
            decision = .later
            afterMicroseconds = after.wireMicroseconds
            reason = UInt32(Tidegate_Peer_LaterReason(why).rawValue)
        case .expected(let sequence):
            decision = .expected
            self.sequence = sequence
        case .moved: decision = .moved
        case .fork: decision = .fork
        }
    }

    /// What a newer peer says that this node does not know keeps the record in the outbox: only a decision that is
    /// understood may end it.
    var verdict: RecordVerdict {
        switch decision {
        case .committed: .committed
        case .duplicate: .duplicate
        case .permanent:
            switch Tidegate_Peer_PermanentReason(rawValue: Int(reason)) {
            case .quota: .permanent(.quota)
            default: .permanent(.invalid)
            }
        case .gone: .gone
        case .later: .later(after: .microseconds(Int64(clamping: min(afterMicroseconds, 3_600_000_000))), reason: why)
        case .expected: .expected(sequence: sequence)
        case .moved: .moved
        case .fork: .fork
        case .unspecified, .UNRECOGNIZED: .later(after: .seconds(1), reason: .unavailable)
        }
    }

    private var why: LaterReason {
        switch Tidegate_Peer_LaterReason(rawValue: Int(reason)) {
        case .allowance: .allowance
        case .overloaded: .overloaded
        case .recovering: .recovering
        default: .unavailable
        }
    }
}

extension Tidegate_Peer_PermanentReason {
    fileprivate init(_ reason: PermanentReason) {
        switch reason {
        case .quota: self = .quota
        case .invalid: self = .invalid
        }
    }
}

extension Tidegate_Peer_LaterReason {
    fileprivate init(_ reason: LaterReason) {
        switch reason {
        case .allowance: self = .allowance
        case .overloaded: self = .overloaded
        case .recovering: self = .recovering
        // Of whom a third node could not reach: for the one who asked, as good as an owner that cannot.
        case .unavailable, .unreachable: self = .unavailable
        }
    }
}

extension Duration {
    fileprivate var wireMicroseconds: UInt64 {
        let (seconds, attoseconds) = components
        return UInt64(clamping: seconds) * 1_000_000 + UInt64(clamping: attoseconds / 1_000_000_000_000)
    }
}
