import Testing

@testable import TidegateGateway

/// Replayable random numbers (SplitMix64).
struct DialectsRandom: RandomNumberGenerator {
    var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}

/// Cuts `bytes` into random pieces, empty ones among them.
func pieces(_ bytes: [UInt8], _ random: inout DialectsRandom) -> [ArraySlice<UInt8>] {
    var cut: [ArraySlice<UInt8>] = []
    var at = 0
    while at < bytes.count {
        let count = min(Int.random(in: 0...9, using: &random), bytes.count - at)
        cut.append(bytes[at..<at + count])
        at += count
    }
    return cut
}

/// Feeds `text` byte by byte, whole, and cut by `seed`, and demands one and the same answer.
func observe(_ text: String, _ format: UsageFormat, isSSE: Bool = false, seed: UInt64 = 1) -> ObservedAnswer {
    let bytes = Array(text.utf8)
    var random = DialectsRandom(seed: seed)
    let cuts: [[ArraySlice<UInt8>]] = [[bytes[...]], bytes.indices.map { bytes[$0...$0] }, pieces(bytes, &random)]
    let answers = cuts.map { cut -> ObservedAnswer in
        var observer = AnswerObserver(
            format: format, contentType: isSSE ? "text/event-stream" : "application/json", isSSE: isSSE)
        for piece in cut { piece.withUnsafeBytes { observer.consume($0) } }
        return observer.finish()
    }
    #expect(answers[1] == answers[0])
    #expect(answers[2] == answers[0])
    return answers[0]
}
