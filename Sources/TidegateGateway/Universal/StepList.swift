package import NIOHTTP1
package import TidegateCore

/// The body of the universal endpoint, taken apart: steps to try in order. A bare object counts as a list of one.
package struct StepList: Sendable {
    package struct Config: Equatable, Sendable {
        package var requestTimeoutMs: Int?
        package var maxAttempts: Int?
        package var retryDelayMs: Int?
        package var backoff: GatewaySettings.Backoff?
        package init() {}
    }

    package struct Step: Sendable {
        /// Slug as in URLs; not checked against the table of providers here.
        package var provider: String
        /// Path behind the provider's base, perhaps with a query. No leading slash.
        package var endpoint: String
        /// The step's own headers, with `authorization` filled in from the field of that name when they have none. Still holds
        /// `cf-aig-*` headers: `GatewayOptions` reads them, `ForwardedHeaders` drops them.
        package var headers: HTTPHeaders
        package var config: Config
        package var eventID: String?
        /// Where the upstream body lies in the universal body: it goes out byte for byte.
        package var query: Range<Int>
    }

    /// Our own bound: the reference names none.
    package static let stepsMax = 32
    package static let headersMax = 64

    package let steps: [Step]

    /// - Throws: a 400 that names the step and the field at fault.
    package init(parsing body: UnsafeRawBufferPointer) throws(GatewayFailure) {
        do throws(JSONFault) {
            _ = try FieldScanner.scan(body, for: FieldPaths([])) { _ in true }
        } catch {
            throw .badRequest("The request body is not valid JSON (at byte \(error.offset)).")
        }
        var walker = JSONWalker(body)
        walker.skipSpace()
        var elements: [FieldValue] = []
        switch walker.current {
        case UInt8(ascii: "{"): elements = [FieldValue(kind: .object, range: walker.at..<body.count)]
        case UInt8(ascii: "["):
            try? FieldScanner.elements(of: body, in: walker.at..<body.count) { element in
                elements.append(element)
                return elements.count <= Self.stepsMax
            }
        default: throw .badRequest("The request body must be an array of steps.")
        }
        guard !elements.isEmpty else { throw .badRequest("The request body must be a non-empty array of steps.") }
        guard elements.count <= Self.stepsMax else {
            throw .badRequest("A request has at most \(Self.stepsMax) steps.")
        }
        var steps: [Step] = []
        for (index, element) in elements.enumerated() {
            guard element.kind == .object else { throw .badRequest("Step \(index) must be an object.") }
            steps.append(try Step(in: body, at: element.range, index: index))
        }
        self.steps = steps
    }
}

extension StepList.Step {
    private static let paths = FieldPaths([
        "provider", "endpoint", "headers", "query", "config", "config.requestTimeout", "config.maxAttempts",
        "config.retryDelay", "config.backoff", "eventId", "authorization",
    ])

    fileprivate init(
        in body: UnsafeRawBufferPointer, at range: Range<Int>, index: Int
    ) throws(GatewayFailure) {
        let bytes = UnsafeRawBufferPointer(rebasing: body[range])
        let scanned = try? FieldScanner.scan(bytes, for: Self.paths) { Array($0) }
        guard let found = scanned else { throw .badRequest("Step \(index) is not valid JSON.") }
        func text(_ slot: Int, _ name: String) throws(GatewayFailure) -> String {
            guard let text = found[slot].string(in: bytes), !text.isEmpty else {
                throw .badRequest("Step \(index) needs a string `\(name)`.")
            }
            return text
        }
        provider = try text(0, "provider")
        let endpoint = try text(1, "endpoint")
        self.endpoint = endpoint.hasPrefix("/") ? String(endpoint.dropFirst()) : endpoint
        headers = try Self.headers(found[2], in: bytes, index: index)
        guard found[3].kind != .absent else { throw .badRequest("Step \(index) needs a `query`.") }
        query = found[3].range.lowerBound + range.lowerBound..<found[3].range.upperBound + range.lowerBound
        guard [.absent, .null, .object].contains(found[4].kind) else {
            throw .badRequest("`config` of step \(index) must be an object.")
        }
        config = StepList.Config()
        config.requestTimeoutMs = Self.whole(found[5], in: bytes).flatMap { $0 > 0 ? $0 : nil }
        config.maxAttempts = Self.whole(found[6], in: bytes)
        config.retryDelayMs = Self.whole(found[7], in: bytes)
        config.backoff = found[8].string(in: bytes).flatMap(OptionValue.backoff)
        eventID = found[9].string(in: bytes).flatMap(OptionValue.identifier)
        if let authorization = found[10].string(in: bytes), !headers.contains(name: "authorization") {
            guard Self.isHeaderValue(authorization) else {
                throw .badRequest("`authorization` of step \(index) is not a header value.")
            }
            headers.add(name: "Authorization", value: authorization)
        }
    }

    private static func headers(
        _ field: FieldValue, in bytes: UnsafeRawBufferPointer, index: Int
    ) throws(GatewayFailure) -> HTTPHeaders {
        var headers = HTTPHeaders()
        if field.kind == .absent || field.kind == .null { return headers }
        guard field.kind == .object else { throw .badRequest("`headers` of step \(index) must be an object.") }
        var fault: String?
        try? FieldScanner.members(of: bytes, in: field.range) { key, value in
            guard let name = key.string(in: bytes), isHeaderName(name), headers.count < StepList.headersMax else {
                fault = "`headers` of step \(index) has a name that is no header name, or more than 64 members."
                return false
            }
            switch value.kind {
            case .null: return true
            case .string, .number, .true, .false:
                let text = value.string(in: bytes) ?? String(decoding: bytes[value.range], as: UTF8.self)
                guard isHeaderValue(text) else { fallthrough }
                headers.replaceOrAdd(name: name, value: text)
                return true
            case .array, .object, .absent:
                fault = "Header `\(name)` of step \(index) must be a string without control characters."
                return false
            }
        }
        if let fault { throw .badRequest(fault) }
        return headers
    }

    private static func whole(_ field: FieldValue, in bytes: UnsafeRawBufferPointer) -> Int? {
        if let text = field.string(in: bytes) { return OptionValue.whole(text) }
        return field.integer(in: bytes).flatMap { $0 >= 0 ? Int(min($0, Int64(OptionValue.wholeMax))) : nil }
    }

    /// A token (RFC 9110 §5.6.2).
    private static func isHeaderName(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
                default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }

    private static func isHeaderValue(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }
    }
}
