/// Remembers which numbered datagrams of which sender were taken, so that none is taken twice.
///
/// Of a sender that it knows it takes each counter once, up to `window` behind the highest; a sender's clock plays no part.
/// A sender that it does not know must have sent within `freshness` of the time here: that is what makes forgetting safe.
/// Only senders whose newest datagram is older than that are forgotten, so whatever was taken of them is refused from
/// then on. Left over: what was recorded within `freshness`, once, to a node that has just started.
package struct ReplayGuard: Sendable {
    package enum Verdict: Equatable, Sendable {
        case new
        /// Taken before, or too far behind to tell.
        case replayed
        /// Of an unknown sender, and too old or from the future: recorded once, or one of the clocks is wrong.
        case stale
        /// As many senders as fit were heard within `freshness`.
        case full
    }

    /// One sender's last counters: bit `n % window` stands for counter `n` in `highest - window + 1 ... highest`.
    private struct Window: Sendable {
        var highest: UInt64
        var newestSent: Int64
        var bits: [UInt64]
    }

    package let window: Int
    package let sendersMax: Int
    package let freshness: Duration
    private let freshnessMilliseconds: Int64
    private var senders: [UInt64: Window] = [:]

    /// - Parameters:
    ///   - window: counters; rounded up to whole words of 64. 1 024 are 40 s of a member that sends as fast as it can.
    ///   - sendersMax: starts of processes, not nodes: a node that comes back is a new sender.
    package init(window: Int = 1_024, sendersMax: Int = 4_096, freshness: Duration = .seconds(60)) {
        self.window = max(64, (window + 63) / 64 * 64)
        self.sendersMax = max(1, sendersMax)
        self.freshness = freshness
        freshnessMilliseconds = Int64(freshness / .milliseconds(1))
    }

    package var count: Int { senders.count }
    package func knows(_ sender: UInt64) -> Bool { senders[sender] != nil }

    /// Asks without remembering, and without looking for room: cheap enough to come before decryption.
    /// - Parameters:
    ///   - sent: milliseconds since 1970 by the sender's clock.
    ///   - now: the same by ours.
    package func verdict(sender: UInt64, counter: UInt64, sent: Int64, at now: Int64) -> Verdict {
        guard let known = senders[sender] else {
            let (age, overflow) = now.subtractingReportingOverflow(sent)
            return !overflow && (-freshnessMilliseconds...freshnessMilliseconds).contains(age) ? .new : .stale
        }
        guard counter <= known.highest else { return .new }
        guard known.highest - counter < UInt64(window), !Self.isSet(counter, in: known.bits) else { return .replayed }
        return .new
    }

    /// Remembers a datagram that was authenticated, if it is new and there is room.
    package mutating func take(sender: UInt64, counter: UInt64, sent: Int64, at now: Int64) -> Verdict {
        let verdict = verdict(sender: sender, counter: counter, sent: sent, at: now)
        guard verdict == .new else { return verdict }
        guard var known = senders.removeValue(forKey: sender) else {
            if senders.count >= sendersMax {
                guard let oldest = forgettable(at: now) else { return .full }
                senders[oldest] = nil
            }
            // All that came before the first word heard counts as taken: nobody can slip it in later.
            senders[sender] = Window(
                highest: counter, newestSent: sent, bits: Array(repeating: .max, count: window / 64))
            return .new
        }
        if counter > known.highest {
            Self.clear(from: known.highest, upTo: counter, window: window, in: &known.bits)
            known.highest = counter
        }
        Self.set(counter, in: &known.bits)
        known.newestSent = max(known.newestSent, sent)
        senders[sender] = known
        return .new
    }

    /// The sender that was silent longest, if all that was taken of it is stale by now.
    private func forgettable(at now: Int64) -> UInt64? {
        guard let oldest = senders.min(by: { ($0.value.newestSent, $0.key) < ($1.value.newestSent, $1.key) }) else {
            return nil
        }
        let (age, overflow) = now.subtractingReportingOverflow(oldest.value.newestSent)
        return !overflow && age > freshnessMilliseconds ? oldest.key : nil
    }

    // MARK: Bits

    private static func isSet(_ counter: UInt64, in bits: [UInt64]) -> Bool {
        bits[Int(counter / 64 % UInt64(bits.count))] & 1 << (counter % 64) != 0
    }

    private static func set(_ counter: UInt64, in bits: inout [UInt64]) {
        bits[Int(counter / 64 % UInt64(bits.count))] |= 1 << (counter % 64)
    }

    /// Makes room for `old + 1 ... new`.
    private static func clear(from old: UInt64, upTo new: UInt64, window: Int, in bits: inout [UInt64]) {
        guard new - old < UInt64(window) else {
            for index in bits.indices { bits[index] = 0 }
            return
        }
        for counter in (old + 1)...new {
            bits[Int(counter / 64 % UInt64(bits.count))] &= ~(1 << (counter % 64))
        }
    }
}
