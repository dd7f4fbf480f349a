/// The binary form of a record: a version byte, then fields of (number, length, bytes) in any order. Unknown numbers are
/// skipped and absent ones keep their defaults, so that neighbouring versions read each other. Numbers are never re-used.
extension LogRecord {
    package static let formatVersion: UInt8 = 1

    private enum Field: UInt8 {
        case id = 1, gateway, startedAtMs, durationMs, latencyMs, eventID, provider, model, modelType, path, method
        case requestType, requestContentType, responseContentType, userAgent, step, attempts, statusCode, outcome, usage
        case usageSource, cost, priceVersion, metadata, flags, requestBytes, responseBytes, requestBody, responseBody
        case requestObject, responseObject

        /// What `read` takes at least.
        var bytesMin: Int {
            switch self {
            case .id, .gateway: 16
            case .usage: 5 * 8
            case .startedAtMs, .cost, .flags, .requestBytes, .responseBytes: 8
            case .durationMs, .latencyMs, .step, .attempts: 4
            case .statusCode: 2
            case .outcome, .usageSource: 1
            case .eventID, .provider, .model, .modelType, .path, .method, .requestType, .requestContentType,
                .responseContentType, .userAgent, .priceVersion, .metadata, .requestBody, .responseBody,
                .requestObject, .responseObject:
                0
            }
        }
    }

    package func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: 384 + requestBody.count + responseBody.count)
        writer.fixed(Self.formatVersion)
        writer.field(Field.id.rawValue, id.bits)
        writer.field(Field.gateway.rawValue, gateway.bits)
        writer.field(Field.startedAtMs.rawValue, startedAtMs)
        writer.field(Field.durationMs.rawValue, durationMs)
        writer.field(Field.latencyMs.rawValue, latencyMs)
        writer.field(Field.eventID.rawValue, eventID)
        writer.field(Field.provider.rawValue, provider)
        writer.field(Field.model.rawValue, model)
        writer.field(Field.modelType.rawValue, modelType)
        writer.field(Field.path.rawValue, path)
        writer.field(Field.method.rawValue, method)
        writer.field(Field.requestType.rawValue, requestType)
        writer.field(Field.requestContentType.rawValue, requestContentType)
        writer.field(Field.responseContentType.rawValue, responseContentType)
        writer.field(Field.userAgent.rawValue, userAgent)
        writer.field(Field.step.rawValue, step)
        writer.field(Field.attempts.rawValue, attempts)
        writer.field(Field.statusCode.rawValue, statusCode)
        writer.field(Field.outcome.rawValue, outcome.rawValue)
        if let usage { writer.field(Field.usage.rawValue, usage) }
        writer.field(Field.usageSource.rawValue, usageSource.rawValue)
        if let cost { writer.field(Field.cost.rawValue, cost.rawValue) }
        writer.field(Field.priceVersion.rawValue, priceVersion)
        writer.field(Field.metadata.rawValue, metadata)
        writer.field(Field.flags.rawValue, flags.rawValue)
        writer.field(Field.requestBytes.rawValue, requestBytes)
        writer.field(Field.responseBytes.rawValue, responseBytes)
        writer.field(Field.requestBody.rawValue, requestBody)
        writer.field(Field.responseBody.rawValue, responseBody)
        writer.field(Field.requestObject.rawValue, requestObject)
        writer.field(Field.responseObject.rawValue, responseObject)
        return writer.finish()
    }

    /// - Throws: `.corrupt` when the bytes are not a record, or miss its id or gateway. The bodies share storage with
    ///   `bytes`.
    package init(encoded bytes: ArraySlice<UInt8>) throws(TidegateError) {
        self.init(id: RecordID(bits: 0), gateway: GatewayUID(bits: 0), startedAtMs: 0)
        var reader = try Self.fields(of: bytes)
        var seen: (id: Bool, gateway: Bool) = (false, false)
        while !reader.isAtEnd {
            guard case (let field?, var value) = try Self.next(&reader) else { continue }
            if field == .id { seen.id = true }
            if field == .gateway { seen.gateway = true }
            try read(field, from: &value)
        }
        guard seen.id, seen.gateway else { throw Self.nameless }
    }

    /// Whose record `bytes` are, without making its texts.
    ///
    /// - Throws: `.corrupt` exactly when `init(encoded:)` does.
    package static func names(
        encoded bytes: ArraySlice<UInt8>
    ) throws(TidegateError) -> (id: RecordID, gateway: GatewayUID) {
        var reader = try fields(of: bytes)
        var (id, gateway): (RecordID?, GatewayUID?)
        while !reader.isAtEnd {
            guard case (let field?, var value) = try next(&reader) else { continue }
            switch field {
            case .id: id = RecordID(bits: try value.fixed())
            case .gateway: gateway = GatewayUID(bits: try value.fixed())
            default: _ = try value.take(field.bytesMin)
            }
        }
        guard let id, let gateway else { throw nameless }
        return (id, gateway)
    }

    private static func fields(of bytes: ArraySlice<UInt8>) throws(TidegateError) -> ByteReader {
        var reader = ByteReader(bytes)
        let version: UInt8 = try reader.fixed()
        guard version == formatVersion else {
            throw TidegateError(
                .corrupt, "The record has format version \(version); this build reads \(formatVersion).")
        }
        return reader
    }

    private static func next(_ reader: inout ByteReader) throws(TidegateError) -> (Field?, ByteReader) {
        let number: UInt8 = try reader.fixed()
        return (Field(rawValue: number), ByteReader(try reader.counted()))
    }

    private static var nameless: TidegateError {
        TidegateError(.corrupt, "The record names no id or no gateway.")
    }

    private mutating func read(_ field: Field, from value: inout ByteReader) throws(TidegateError) {
        switch field {
        case .id: id = RecordID(bits: try value.fixed())
        case .gateway: gateway = GatewayUID(bits: try value.fixed())
        case .startedAtMs: startedAtMs = try value.fixed()
        case .durationMs: durationMs = try value.fixed()
        case .latencyMs: latencyMs = try value.fixed()
        case .eventID: eventID = try value.rest()
        case .provider: provider = try value.rest()
        case .model: model = try value.rest()
        case .modelType: modelType = try value.rest()
        case .path: path = try value.rest()
        case .method: method = try value.rest()
        case .requestType: requestType = try value.rest()
        case .requestContentType: requestContentType = try value.rest()
        case .responseContentType: responseContentType = try value.rest()
        case .userAgent: userAgent = try value.rest()
        case .step: step = try value.fixed()
        case .attempts: attempts = try value.fixed()
        case .statusCode: statusCode = try value.fixed()
        case .outcome: outcome = RecordOutcome(rawValue: try value.fixed()) ?? .completed
        case .usage: usage = try value.usage()
        case .usageSource: usageSource = UsageSource(rawValue: try value.fixed()) ?? .none
        case .cost: cost = PicoUSD(rawValue: try value.fixed())
        case .priceVersion: priceVersion = try value.rest()
        case .metadata: metadata = try value.rest()
        case .flags: flags = Flags(rawValue: try value.fixed())
        case .requestBytes: requestBytes = try value.fixed()
        case .responseBytes: responseBytes = try value.fixed()
        case .requestBody: requestBody = try value.take(value.remaining)
        case .responseBody: responseBody = try value.take(value.remaining)
        case .requestObject: requestObject = try value.rest()
        case .responseObject: responseObject = try value.rest()
        }
    }
}

extension ByteWriter {
    fileprivate mutating func field(_ number: UInt8, _ value: some FixedWidthInteger) {
        fixed(number)
        varint(UInt64(value.bitWidth / 8))
        fixed(value)
    }

    fileprivate mutating func field(_ number: UInt8, _ text: String) {
        guard !text.isEmpty else { return }
        fixed(number)
        counted(text.utf8)
    }

    fileprivate mutating func field(_ number: UInt8, _ bytes: ArraySlice<UInt8>) {
        guard !bytes.isEmpty else { return }
        fixed(number)
        counted(bytes)
    }

    fileprivate mutating func field(_ number: UInt8, _ usage: TokenUsage) {
        fixed(number)
        varint(5 * 8)
        for bucket in [
            usage.inputUncached, usage.inputCacheRead, usage.inputCacheWrite, usage.outputText, usage.outputReasoning,
        ] { fixed(bucket) }
    }
}

extension ByteReader {
    fileprivate mutating func rest() throws(TidegateError) -> String {
        String(decoding: try take(remaining), as: UTF8.self)
    }

    fileprivate mutating func usage() throws(TidegateError) -> TokenUsage {
        TokenUsage(
            inputUncached: try fixed(), inputCacheRead: try fixed(), inputCacheWrite: try fixed(),
            outputText: try fixed(), outputReasoning: try fixed())
    }
}
