/// The words of a search, and whether a text has them all: the same words that SQLite's `unicode61` tokenizer finds without
/// removing diacritics, so that hot rows, which have no index, are found as sealed ones are.
struct BodyWords: Equatable, Sendable {
    static let tokenizer = "unicode61 remove_diacritics 0"
    static let wordsMax = 32

    /// Lower case. A text need only have a word that begins with the last one: people see results while they type.
    private let words: [[UInt8]]

    /// - Returns: `nil` when there is no word.
    init?(_ search: String) {
        var words: [[UInt8]] = []
        Self.forEachWord(Array(search.utf8)) { word in
            words.append(word)
            return words.count < Self.wordsMax
        }
        guard let last = words.popLast() else { return nil }
        // One that stands twice is found once.
        var once: [[UInt8]] = []
        for word in words where !once.contains(word) { once.append(word) }
        self.words = once + [last]
    }

    /// As an FTS5 expression. Words have letters and digits only: nothing in them can be syntax.
    var expression: String {
        words.map { "\"\(String(decoding: $0, as: UTF8.self))\"" }.joined(separator: " AND ") + " *"
    }

    func match(_ text: [UInt8]) -> Bool {
        var missing = words
        var hasLast = false
        let last = missing.removeLast()
        Self.forEachWord(text) { word in
            if !hasLast, word.starts(with: last) { hasLast = true }
            if let index = missing.firstIndex(where: { $0[0] == word[0] && $0 == word }) { missing.remove(at: index) }
            return !hasLast || !missing.isEmpty
        }
        return hasLast && missing.isEmpty
    }

    /// - Parameter body: whether to go on.
    private static func forEachWord(_ text: [UInt8], _ body: ([UInt8]) -> Bool) {
        var word: [UInt8] = []
        var at = 0
        while at < text.count {
            let byte = text[at]
            if byte < 0x80 {
                at += 1
                if isWord[Int(byte)] {
                    word.append(byte | (byte & 0xC0 == 0x40 ? 0x20 : 0))
                    continue
                }
            } else {
                let (scalar, length) = scalar(text, at)
                at += length
                if isWordPart(scalar, isFirst: word.isEmpty) {
                    let lower = scalar.properties.lowercaseMapping.unicodeScalars
                    let folded = lower.count == 1 ? lower.first ?? scalar : scalar
                    word += Array(String(folded).utf8)
                    continue
                }
            }
            guard !word.isEmpty else { continue }
            guard body(word) else { return }
            word.removeAll(keepingCapacity: true)
        }
        if !word.isEmpty { _ = body(word) }
    }

    private static let isWord = (0..<128).map { (byte: Int) in
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    }

    /// Letters, numbers and private use; marks go on with a word.
    private static func isWordPart(_ scalar: Unicode.Scalar, isFirst: Bool) -> Bool {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber,
            .letterNumber, .otherNumber, .privateUse:
            true
        default: !isFirst && (0x300...0x36F).contains(scalar.value)
        }
    }

    private static func scalar(_ text: [UInt8], _ at: Int) -> (Unicode.Scalar, Int) {
        var decoder = UTF8()
        var rest = text[at...].prefix(4).makeIterator()
        switch decoder.decode(&rest) {
        case .scalarValue(let scalar): return (scalar, String(scalar).utf8.count)
        case .emptyInput, .error: return ("\u{FFFD}", 1)
        }
    }
}
