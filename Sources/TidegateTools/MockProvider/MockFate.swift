/// What is decided about one call before its answer is made.
package struct MockFate: Equatable, Sendable {
    package enum Fault: String, CaseIterable, Sendable {
        case error, unavailable, rateLimit = "rate-limit", stall, cut, malformed
    }

    package var fault: Fault?
    package var latencyMs: Double

    /// - Parameter ordinal: number of the call, from 0, in order of arrival.
    package init(_ behaviour: MockBehaviour, ordinal: UInt64) {
        var dice = SplitMix(state: behaviour.seed &+ ordinal &* 0x9E37_79B9_7F4A_7C15)
        latencyMs = behaviour.latencyMs + behaviour.jitterMs * dice.unit()
        var draw = dice.unit()
        let shares: [(Double, Fault)] = [
            (behaviour.errorRate / 2, .error), (behaviour.errorRate / 2, .unavailable),
            (behaviour.rateLimitRate, .rateLimit), (behaviour.stallRate, .stall), (behaviour.cutRate, .cut),
            (behaviour.malformedRate, .malformed),
        ]
        for (share, fault) in shares {
            if draw < share {
                self.fault = fault
                return
            }
            draw -= share
        }
    }

    init(fault: Fault?, latencyMs: Double) {
        self.fault = fault
        self.latencyMs = latencyMs
    }
}

/// Vigna's SplitMix64 step: enough to spread faults and pick words, and the same on every machine.
struct SplitMix {
    private(set) var state: UInt64
    init(state: UInt64) { self.state = state }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// In `0..<1`.
    mutating func unit() -> Double { Double(next() >> 11) / 9_007_199_254_740_992 }
}
