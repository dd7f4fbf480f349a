internal import TidegateCore

/// Reads the body of a gateway's creation or update (reference/management-api.md §2).
///
/// An optional field that is left out keeps its value; `null` sets it back to its default.
struct GatewayBody {
    typealias Edit = @Sendable (inout GatewaySettings) -> Void

    private var reader: BodyReader
    private var edits: [Edit] = []

    /// - Throws: with one issue for each field that does not fit.
    static func read(_ reader: BodyReader) throws(APIFailure) -> [Edit] {
        var body = GatewayBody(reader: reader)
        body.readRequired()
        body.readOptional()
        body.readObjects()
        try body.reader.finish()
        return body.edits
    }

    private init(reader: BodyReader) { self.reader = reader }

    private mutating func readRequired() {
        if let value = reader.boolean("cache_invalidate_on_update", required: true) {
            edits.append { $0.cacheInvalidateOnUpdate = value }
        }
        if let value = reader.boolean("collect_logs", required: true) { edits.append { $0.collectLogs = value } }
        let ttl = reader.integer("cache_ttl", in: 0...Int.max, required: true)
        let interval = reader.integer("rate_limiting_interval", in: 0...Int.max, required: true)
        let limit = reader.integer("rate_limiting_limit", in: 0...Int.max, required: true)
        edits.append {
            $0.cacheTTL = ttl
            $0.rateLimitingInterval = interval
            $0.rateLimitingLimit = limit
        }
    }

    private mutating func readOptional() {
        typealias Settings = GatewaySettings
        let technique = reader.choice("rate_limiting_technique", Settings.RateTechnique.self, nullable: true)
        edit("rate_limiting_technique") { $0.rateLimitingTechnique = technique }
        let authentication = reader.boolean("authentication") ?? false
        edit("authentication") { $0.authentication = authentication }
        let kept = reader.integer("log_management", in: 10_000...10_000_000)
        edit("log_management") { $0.logManagement = kept }
        let strategy = reader.choice("log_management_strategy", Settings.LogStrategy.self, nullable: true)
        edit("log_management_strategy") { $0.logManagementStrategy = strategy }
        let push = reader.boolean("logpush") ?? false
        edit("logpush") { $0.logpush = push }
        let key = reader.text("logpush_public_key", characters: 16...1_024, nullable: true)
        edit("logpush_public_key") { $0.logpushPublicKey = key }
        let backoff = reader.choice("retry_backoff", Settings.Backoff.self, nullable: true)
        edit("retry_backoff") { $0.retryBackoff = backoff }
        let delay = reader.integer("retry_delay", in: 0...5_000)
        edit("retry_delay") { $0.retryDelay = delay }
        let attempts = reader.integer("retry_max_attempts", in: 1...5)
        edit("retry_max_attempts") { $0.retryMaxAttempts = attempts }
        let store = reader.text("store_id", characters: 0...1_024, nullable: true)
        edit("store_id") { $0.storeID = store }
        let billing = reader.choice("workers_ai_billing_mode", Settings.BillingMode.self) ?? .postpaid
        edit("workers_ai_billing_mode") { $0.workersAIBillingMode = billing }
        let zdr = reader.boolean("zdr") ?? false
        edit("zdr") { $0.zdr = zdr }
        let byokOnly = reader.boolean("byok_only") ?? false
        edit("byok_only") { $0.byokOnly = byokOnly }
        let policy = reader.choice("full_outbox_policy", FullOutboxPolicy.self) ?? .proxyWithoutLog
        edit("full_outbox_policy") { $0.fullOutboxPolicy = policy }
        let fullText = reader.boolean("full_text_search") ?? false
        edit("full_text_search") { $0.fullTextSearch = fullText }
        let days = reader.integer("log_retention_days", in: 1...36_500)
        edit("log_retention_days") { $0.logRetentionDays = days }
        let classify = reader.boolean("log_classification") ?? false
        edit("log_classification") { $0.logClassification = classify }
        if classify, reader["collect_logs"] == .bool(false) {
            reader.refuse("Needs collect_logs", "log_classification")
        }
    }

    private mutating func readObjects() {
        object("dlp", .dlp) { $0.dlp = $1 }
        object("guardrails", .guardrails) { $0.guardrails = $1 }
        object("otel", .otel) { $0.otel = $1 }
        object("spend_limits", .spendLimits) { $0.spendLimits = $1 }
        object("stripe", .stripe) { $0.stripe = $1 }
    }

    private mutating func object(
        _ name: String, _ shape: Shape, _ set: @escaping @Sendable (inout GatewaySettings, JSONValue?) -> Void
    ) {
        guard let value = reader[name] else { return }
        let kept: JSONValue? = value == .null ? nil : value
        if kept != nil {
            for problem in shape.problems(with: value, at: [.name(name)]) { reader.refuse(problem) }
        }
        edits.append { set(&$0, kept) }
    }

    private mutating func edit(_ name: String, _ edit: @escaping Edit) {
        if reader.has(name) { edits.append(edit) }
    }
}

extension BodyReader {
    mutating func refuse(_ problem: Shape.Problem) {
        refuse(problem.message, at: problem.path)
    }
}
