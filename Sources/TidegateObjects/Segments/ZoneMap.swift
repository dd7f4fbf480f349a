internal import TidegateCore

/// What is known of a segment's rows without opening it: bounds of numbers, small sets of values with their counts. It
/// describes the rows as they were sealed; deletions and edits since then are the reader's business.
final class ZoneMap: Sendable {
    /// Bounds of a number over the rows that have it.
    struct Bounds: Equatable, Sendable {
        var absent: Int64
        var min: Int64
        var max: Int64
        /// Saturated.
        var sum: Int64
    }
    struct RealBounds: Equatable, Sendable {
        var absent: Int64
        var min: Double
        var max: Double
    }
    struct TextBounds: Equatable, Sendable {
        var min: String
        var max: String
    }
    /// Every value of a column with how many rows have it.
    typealias Values<Value: Hashable> = [Value: Int64]

    enum Number: UInt8, CaseIterable, Sendable {
        case createdAt = 1, receivedAt, duration, status, step, cost, tokensIn, tokensOut, tokens
    }
    enum Real: UInt8, CaseIterable, Sendable { case feedback = 1, score }
    enum Text: UInt8, CaseIterable, Sendable {
        case provider = 1, model, modelType, requestType, path, userAgent, requestContentType, responseContentType
    }
    enum Flag: UInt8, CaseIterable, Sendable { case success = 1, cached, authenticated, compatibility }

    static let version: UInt8 = 1
    /// Values of a column beyond which its set is left out.
    static let valuesMax = 64
    static let textBytesMax = 4_096

    let rows: Int64
    let ids: ClosedRange<UInt128>
    let numbers: [Number: Bounds]
    let reals: [Real: RealBounds]
    /// By bytes: Swift's strings are equal across normal forms, SQLite's are not.
    let texts: [Text: Values<[UInt8]>]
    /// Of columns whose set may be left out: lists are sorted by them.
    let textBounds: [Text: TextBounds]
    let counts: [Number: Values<Int64>]
    /// Rows in which it is true.
    let flags: [Flag: Int64]
    /// Whether the segment knows the words of its bodies.
    let hasBodyIndex: Bool

    init(
        rows: Int64, ids: ClosedRange<UInt128>, numbers: [Number: Bounds], reals: [Real: RealBounds],
        texts: [Text: Values<[UInt8]>], textBounds: [Text: TextBounds], counts: [Number: Values<Int64>],
        flags: [Flag: Int64], hasBodyIndex: Bool = false
    ) {
        (self.rows, self.ids, self.numbers, self.reals) = (rows, ids, numbers, reals)
        (self.texts, self.textBounds, self.counts, self.flags) = (texts, textBounds, counts, flags)
        self.hasBodyIndex = hasBodyIndex
    }

    /// Parts of (kind, number, length, bytes): what a later version adds is skipped by this one.
    private enum Part: UInt8 { case number = 1, real, text, textBounds, count, flag, bodyIndex }

    /// The same bytes for the same content, whatever the order of the dictionaries.
    var encoded: [UInt8] {
        var writer = ByteWriter(capacity: 1_024)
        writer.fixed(Self.version)
        writer.fixed(rows)
        writer.fixed(ids.lowerBound)
        writer.fixed(ids.upperBound)
        for number in Number.allCases {
            guard let bounds = numbers[number] else { continue }
            writer.part(Part.number.rawValue, number.rawValue) { part in
                for value in [bounds.absent, bounds.min, bounds.max, bounds.sum] { part.fixed(value) }
            }
        }
        for real in Real.allCases {
            guard let bounds = reals[real] else { continue }
            writer.part(Part.real.rawValue, real.rawValue) { part in
                part.fixed(bounds.absent)
                part.fixed(bounds.min.bitPattern)
                part.fixed(bounds.max.bitPattern)
            }
        }
        for text in Text.allCases {
            if let values = texts[text] {
                writer.part(Part.text.rawValue, text.rawValue) { part in
                    for (value, count) in values.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
                        part.counted(value)
                        part.varint(UInt64(clamping: count))
                    }
                }
            }
            if let bounds = textBounds[text] {
                writer.part(Part.textBounds.rawValue, text.rawValue) { part in
                    part.counted(bounds.min.utf8)
                    part.counted(bounds.max.utf8)
                }
            }
        }
        for number in Number.allCases {
            guard let values = counts[number] else { continue }
            writer.part(Part.count.rawValue, number.rawValue) { part in
                for (value, count) in values.sorted(by: { $0.key < $1.key }) {
                    part.fixed(value)
                    part.varint(UInt64(clamping: count))
                }
            }
        }
        for flag in Flag.allCases {
            guard let count = flags[flag] else { continue }
            writer.part(Part.flag.rawValue, flag.rawValue) { $0.fixed(count) }
        }
        if hasBodyIndex { writer.part(Part.bodyIndex.rawValue, 1) { $0.fixed(1 as UInt8) } }
        return writer.finish()
    }

    convenience init(encoded bytes: [UInt8]) throws(TidegateError) {
        var reader = ByteReader(bytes)
        guard try reader.fixed(UInt8.self) == Self.version else {
            throw TidegateError(.corrupt, "The segment's statistics are of a version that this build does not read.")
        }
        let rows: Int64 = try reader.fixed()
        let (low, high): (UInt128, UInt128) = (try reader.fixed(), try reader.fixed())
        guard low <= high, rows > 0 else {
            throw TidegateError(.corrupt, "The segment's statistics contradict themselves.")
        }
        var (numbers, reals) = ([Number: Bounds](), [Real: RealBounds]())
        var (texts, textBounds) = ([Text: Values<[UInt8]>](), [Text: TextBounds]())
        var (counts, flags) = ([Number: Values<Int64>](), [Flag: Int64]())
        var hasBodyIndex = false
        while !reader.isAtEnd {
            let (kind, code): (UInt8, UInt8) = (try reader.fixed(), try reader.fixed())
            var part = ByteReader(try reader.counted())
            switch Part(rawValue: kind) {
            case .number:
                let bounds = Bounds(
                    absent: try part.fixed(), min: try part.fixed(), max: try part.fixed(), sum: try part.fixed())
                if let number = Number(rawValue: code) { numbers[number] = bounds }
            case .real:
                let bounds = RealBounds(
                    absent: try part.fixed(), min: Double(bitPattern: try part.fixed()),
                    max: Double(bitPattern: try part.fixed()))
                if let real = Real(rawValue: code) { reals[real] = bounds }
            case .text:
                var values: Values<[UInt8]> = [:]
                while !part.isAtEnd { values[Array(try part.counted())] = Int64(clamping: try part.varint()) }
                if let text = Text(rawValue: code) { texts[text] = values }
            case .textBounds:
                let (from, to) = (try part.string(), try part.string())
                if let text = Text(rawValue: code) { textBounds[text] = TextBounds(min: from, max: to) }
            case .count:
                var values: Values<Int64> = [:]
                while !part.isAtEnd { values[try part.fixed()] = Int64(clamping: try part.varint()) }
                if let number = Number(rawValue: code) { counts[number] = values }
            case .flag: if let flag = Flag(rawValue: code) { flags[flag] = try part.fixed() }
            case .bodyIndex: hasBodyIndex = try part.fixed(UInt8.self) == 1
            case nil: continue
            }
        }
        self.init(
            rows: rows, ids: low...high, numbers: numbers, reals: reals, texts: texts, textBounds: textBounds,
            counts: counts, flags: flags, hasBodyIndex: hasBodyIndex)
    }
}

extension ByteWriter {
    fileprivate mutating func part(_ kind: UInt8, _ number: UInt8, _ content: (inout ByteWriter) -> Void) {
        fixed(kind)
        fixed(number)
        var part = ByteWriter()
        content(&part)
        counted(part.bytes)
    }
}
