/// What the owner of a gateway sets, field for field as the management API names it (reference §2).
///
/// `id` and the times are not here: they belong to the document. Fields without meaning in this build are kept and given
/// back as they came.
package struct GatewaySettings: Equatable, Sendable, Codable {
    package enum RateTechnique: String, Sendable, Codable, CaseIterable { case fixed, sliding }
    package enum Backoff: String, Sendable, Codable, CaseIterable { case constant, linear, exponential }
    package enum LogStrategy: String, Sendable, Codable, CaseIterable {
        case stopInserting = "STOP_INSERTING"
        case deleteOldest = "DELETE_OLDEST"
    }
    package enum BillingMode: String, Sendable, Codable, CaseIterable { case postpaid, unified }

    package var cacheInvalidateOnUpdate = false
    /// Seconds; 0 or nil is off.
    package var cacheTTL: Int? = nil
    package var collectLogs = true
    /// Seconds.
    package var rateLimitingInterval: Int? = nil
    /// Requests per interval; 0 or nil is off.
    package var rateLimitingLimit: Int? = nil
    package var rateLimitingTechnique: RateTechnique? = nil
    package var authentication = false
    /// Rows kept at most, 10 000 to 10 000 000.
    package var logManagement: Int? = nil
    package var logManagementStrategy: LogStrategy? = nil
    package var logpush = false
    package var logpushPublicKey: String? = nil
    package var retryBackoff: Backoff? = nil
    /// Milliseconds, 0 to 5000.
    package var retryDelay: Int? = nil
    /// Tries in all, 1 to 5.
    package var retryMaxAttempts: Int? = nil
    package var storeID: String? = nil
    package var workersAIBillingMode: BillingMode = .postpaid
    package var zdr = false
    package var byokOnly = false
    package var dlp: JSONValue? = nil
    package var guardrails: JSONValue? = nil
    package var logClassification = false
    package var otel: JSONValue? = nil
    package var spendLimits: JSONValue? = nil
    package var stripe: JSONValue? = nil
    /// Ours: sealed bodies get an index of their words.
    package var fullTextSearch = false
    /// Ours: what happens to calls when their rows cannot be captured.
    package var fullOutboxPolicy: FullOutboxPolicy = .proxyWithoutLog

    /// Ours: days after which rows go, from 1; nil keeps them.
    package var logRetentionDays: Int? = nil

    package init() {}

    package enum CodingKeys: String, CodingKey, CaseIterable {
        case cacheInvalidateOnUpdate = "cache_invalidate_on_update"
        case cacheTTL = "cache_ttl"
        case collectLogs = "collect_logs"
        case rateLimitingInterval = "rate_limiting_interval"
        case rateLimitingLimit = "rate_limiting_limit"
        case rateLimitingTechnique = "rate_limiting_technique"
        case authentication
        case logManagement = "log_management"
        case logManagementStrategy = "log_management_strategy"
        case logpush
        case logpushPublicKey = "logpush_public_key"
        case retryBackoff = "retry_backoff"
        case retryDelay = "retry_delay"
        case retryMaxAttempts = "retry_max_attempts"
        case storeID = "store_id"
        case workersAIBillingMode = "workers_ai_billing_mode"
        case zdr
        case byokOnly = "byok_only"
        case dlp, guardrails
        case logClassification = "log_classification"
        case otel
        case spendLimits = "spend_limits"
        case stripe
        case fullOutboxPolicy = "full_outbox_policy"
        case fullTextSearch = "full_text_search"
        case logRetentionDays = "log_retention_days"
    }
}
