internal import TidegateCore

/// What a filter key means in SQL. The expressions are ours; only bound values come from outside.
enum FilterField {
    /// Never NULL; empty is absent.
    case text(String)
    /// 0 or 1.
    case bool(String)
    /// A number or NULL; a filter's value is multiplied by `scale` first.
    case number(String, scale: Double)
    case time(String)
    case id, metadataKey, metadataValue

    static let idText =
        """
        printf('%08x-%04x-%04x-%04x-%012x', (log.idHigh >> 32) & 4294967295, (log.idHigh >> 16) & 65535, \
        log.idHigh & 65535, (log.idLow >> 48) & 65535, log.idLow & 281474976710655)
        """
    static let input = "(log.inputUncached + log.inputCacheRead + log.inputCacheWrite)"
    static let output = "(log.outputText + log.outputReasoning)"
    static let total =
        """
        (log.inputUncached + log.inputCacheRead + log.inputCacheWrite + log.outputText + log.outputReasoning)
        """

    init(_ key: LogFilter.Key) {
        switch key {
        case .id: self = .id
        case .createdAt: self = .time("log.createdAt")
        case .requestContentType: self = .text("log.requestContentType")
        case .responseContentType: self = .text("log.responseContentType")
        case .requestType: self = .text("log.requestType")
        case .success: self = .bool("log.success")
        case .cached: self = Self.flag(.cached)
        case .provider: self = .text("log.provider")
        case .model: self = .text("log.model")
        case .modelType: self = .text("log.modelType")
        case .cost: self = .number("log.cost", scale: 1e12)
        case .tokens: self = .number(Self.total, scale: 1)
        case .tokensIn: self = .number(Self.input, scale: 1)
        case .tokensOut: self = .number(Self.output, scale: 1)
        case .duration: self = .number("log.durationMs", scale: 1)
        case .feedback: self = .number("overlay.feedback", scale: 1)
        case .score: self = .number("overlay.score", scale: 1)
        case .statusCode: self = .number("log.statusCode", scale: 1)
        case .path: self = .text("log.path")
        case .step: self = .number("log.step", scale: 1)
        case .eventID: self = .text("log.eventID")
        case .metadataKey: self = .metadataKey
        case .metadataValue: self = .metadataValue
        case .authentication: self = Self.flag(.authenticated)
        case .compatibilityMode: self = Self.flag(.compatibility)
        case .userAgent: self = .text("log.userAgent")
        // No row of this build is wholesale or was touched by data loss prevention.
        case .wholesale: self = .bool("0")
        case .dlpAction: self = .text("''")
        }
    }

    static func flag(_ flag: LogRecord.Flags) -> FilterField { .bool("((log.flags & \(flag.rawValue)) <> 0)") }
}

extension LogQuery.Order {
    /// Never NULL, so that a row's place is a plain comparison: what is absent sorts first.
    var expression: String {
        let lowest = "(-9223372036854775807 - 1)"
        return switch self {
        case .createdAt: "log.createdAt"
        case .provider: "log.provider"
        case .model: "log.model"
        case .modelType: "log.modelType"
        case .success: "log.success"
        case .cached: "(log.flags & \(LogRecord.Flags.cached.rawValue))"
        case .cost: "ifnull(log.cost, \(lowest))"
        case .tokensIn: "ifnull(\(FilterField.input), \(lowest))"
        case .tokensOut: "ifnull(\(FilterField.output), \(lowest))"
        case .duration: "log.durationMs"
        case .feedback: "ifnull(overlay.feedback, -1e308)"
        }
    }
}
