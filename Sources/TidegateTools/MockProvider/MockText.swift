/// The words of an answer, and how their tokens are counted. Rule: a text of n bytes has ⌈n / 4⌉ tokens. The input of
/// a call is its whole body, so that a test can recompute it from the stored request.
package struct MockText: Equatable, Sendable {
    /// Concatenated they are the answer; none is empty. ASCII without quotes and backslashes.
    package var pieces: [String]

    package static func tokens(bytes: Int) -> Int { (bytes + 3) / 4 }

    package var text: String { pieces.joined() }
    package var tokens: Int { Self.tokens(bytes: pieces.reduce(0) { $0 + $1.utf8.count }) }

    private static let words = [
        "tide ", "gate ", "river ", "stone ", "lantern ", "harbour ", "signal ", "meadow ", "copper ", "winter ",
        "anchor ", "ember ", "canvas ", "orchard ", "thunder ", "marble ",
    ]

    /// The same request gets the same words under the same seed.
    package init(nonce: String?, seed: UInt64, bodyBytes: Int, pieces count: Int) {
        var dice = SplitMix(state: seed &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(bodyBytes))
        let words = max(24, count)
        pieces = []
        pieces.reserveCapacity(count)
        var written = 0
        for piece in 0..<count {
            var text = piece == 0 ? nonce.map { "nonce:\($0) " } ?? "" : ""
            let end = (piece + 1) * words / count
            while written < end {
                text += Self.words[Int(truncatingIfNeeded: dice.next() & 15)]
                written += 1
            }
            pieces.append(text)
        }
    }
}
