/// Finds the committed log among the objects that lie in the store, when the authority that knew it has gone back in time
/// (A6). Each object carries the CRC of its predecessor, so that the log is a chain; where several continue it, the one of
/// the highest epoch does: an older epoch's object at the same place was overtaken before it could be committed.
///
/// The chain's last objects may never have been committed: at most what was in flight when everything stopped. Taking them
/// in is harmless, since their senders had no answer, and send them again as duplicates.
package struct LogChain: Equatable, Sendable {
    package struct Candidate: Equatable, Sendable {
        package var epoch: Epoch
        package var generation: Int
        package var length: Int
        package var crc: UInt32
        package var previousCRC: UInt32

        package init(epoch: Epoch, generation: Int, length: Int, crc: UInt32, previousCRC: UInt32) {
            self.epoch = epoch
            self.generation = generation
            self.length = length
            self.crc = crc
            self.previousCRC = previousCRC
        }
    }

    /// Newest object; `nil` while nothing follows `start`.
    package private(set) var head: SlotHead?
    /// Who wrote what behind the start.
    package private(set) var lineage: [LineageStep] = []
    private var n: LogIndex
    private var crc: UInt32

    /// - Parameters:
    ///   - n: the chain begins behind this object, whose CRC is `crc`; 0 and 0 for a whole log.
    package init(after n: LogIndex, crc: UInt32) {
        self.n = n
        self.crc = crc
    }

    package var nextN: LogIndex { n + 1 }

    /// - Parameter candidates: every readable object with index `nextN`.
    /// - Returns: the one that continues the chain; `nil` at its end.
    package mutating func extend(with candidates: [Candidate]) -> Candidate? {
        let fitting = candidates.filter { $0.previousCRC == crc && $0.epoch >= lineage.last?.epoch ?? 0 }
        guard let next = fitting.max(by: { ($0.generation, $0.epoch) < ($1.generation, $1.epoch) }) else { return nil }
        n += 1
        if lineage.last?.epoch != next.epoch || lineage.last?.generation != next.generation {
            lineage.append(LineageStep(epoch: next.epoch, firstN: n, generation: next.generation))
        }
        head = SlotHead(n: n, epoch: next.epoch, len: next.length, crc: next.crc, prevCrc: next.previousCRC)
        crc = next.crc
        return next
    }
}
