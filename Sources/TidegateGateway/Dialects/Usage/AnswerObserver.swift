package import TidegateCore

/// What an answer said about itself.
package struct ObservedAnswer: Equatable, Sendable {
    /// `nil` when the answer named no tokens, or nothing that can be trusted.
    package var usage: TokenUsage?
    /// The model that answered, as the provider names it.
    package var model: String?

    package init(usage: TokenUsage? = nil, model: String? = nil) {
        self.usage = usage
        self.model = model
    }
}

/// Watches an answer pass by and finds its tokens and model, whole or streamed, in any pieces. Keeps only what it looks for
/// (a few hundred bytes, and one event of a stream), never the answer. Never fails: what cannot be read is no usage.
package struct AnswerObserver: Sendable {
    private enum Source {
        case nothing
        case whole(MemberFilter)
        case events(EventScanner)
    }

    private var source: Source
    private var collected: CollectedUsage

    /// - Parameters:
    ///   - contentType: the answer's; anything but JSON in its various forms is not read, unless `isSSE`.
    ///   - isSSE: whether it is a stream of server-sent events.
    ///   - contentEncoding: the answer's; a compressed answer is not read.
    package init(format: UsageFormat, contentType: String?, isSSE: Bool, contentEncoding: String? = nil) {
        let encoding = contentEncoding.map { OptionValue.trimmed($0).lowercased() } ?? ""
        let shape = isSSE ? AnswerShape.event(format) : AnswerShape.whole(format)
        collected = CollectedUsage(format: format, shape: shape)
        guard let shape, encoding.isEmpty || encoding == "identity" else {
            source = .nothing
            return
        }
        if isSSE {
            source = .events(EventScanner())
        } else if contentType.map({ ASCIISearch.contains($0, "json", ignoringCase: true) }) ?? true {
            source = .whole(MemberFilter(shape.paths))
        } else {
            source = .nothing
        }
    }

    /// For `isSSE` of `init`: whether a `Content-Type` names a stream of server-sent events.
    package static func isEventStream(_ contentType: String?) -> Bool {
        contentType.map { OptionValue.trimmed($0).lowercased().hasPrefix("text/event-stream") } ?? false
    }

    package mutating func consume(_ bytes: UnsafeRawBufferPointer) {
        switch source {
        case .nothing: return
        case .whole(var filter):
            source = .nothing  // one owner, so that the filter changes in place
            filter.consume(bytes)
            source = .whole(filter)
        case .events(var scanner):
            source = .nothing
            scanner.consume(bytes) { _, data in collected.event(data) }
            source = .events(scanner)
        }
    }

    /// - Returns: what is known now; also right for an answer that was cut.
    package mutating func finish() -> ObservedAnswer {
        switch source {
        case .nothing: break
        case .whole(let filter): collected.whole(filter.values)
        case .events(var scanner): scanner.finish { _, data in collected.event(data) }
        }
        source = .nothing
        return collected.answer
    }
}

/// Usage and model as far as they were seen.
struct CollectedUsage: Sendable {
    private let format: UsageFormat
    private let shape: AnswerShape?
    private let reader: UsageReader?
    private var counts: UsageCounts?
    private var model: String?

    init(format: UsageFormat, shape: AnswerShape?) {
        self.format = format
        self.shape = shape
        reader = UsageReader.reader(for: format)
    }

    var answer: ObservedAnswer {
        ObservedAnswer(usage: counts.flatMap { counts in reader?.usage(counts) }, model: model)
    }

    mutating func event(_ data: UnsafeRawBufferPointer) {
        guard let shape, data.first == UInt8(ascii: "{") else { return }
        let usagePaths = shape.usagePaths
        _ = try? FieldScanner.scan(data, for: shape.paths) { found in
            for (slot, value) in found.enumerated() {
                if slot < usagePaths {
                    if value.kind == .object { take(UnsafeRawBufferPointer(rebasing: data[value.range])) }
                } else if model == nil {
                    model = name(value, in: data)
                }
            }
        }
    }

    mutating func whole(_ values: [[UInt8]?]) {
        guard let shape else { return }
        for (slot, value) in values.enumerated() {
            guard let value else { continue }
            value.withUnsafeBytes { bytes in
                if slot < shape.usagePaths {
                    take(bytes)
                } else if model == nil {
                    model = (try? FieldScanner.scan(bytes, for: Self.root) { _ in Self.trimmed(bytes) })
                        .flatMap { name($0, in: bytes) }
                }
            }
        }
    }

    private static let root = FieldPaths([])

    /// The one value of a scanned document.
    private static func trimmed(_ bytes: UnsafeRawBufferPointer) -> FieldValue {
        var walker = JSONWalker(bytes)
        walker.skipSpace()
        return (try? walker.value()) ?? FieldValue()
    }

    private func name(_ value: FieldValue, in bytes: UnsafeRawBufferPointer) -> String? {
        guard value.range.count <= 512, let name = value.string(in: bytes), !name.isEmpty else { return nil }
        return name
    }

    private mutating func take(_ object: UnsafeRawBufferPointer) {
        guard let found = reader?.counts(object) else { return }
        if format == .anthropic, counts != nil {
            counts?.merge(found)
        } else {
            counts = found
        }
    }
}
