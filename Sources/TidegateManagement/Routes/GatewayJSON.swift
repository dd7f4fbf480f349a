internal import TidegateCore

extension JSONText {
    /// A gateway with every field of the reference, `null` where nothing is set.
    static func gateway(_ gateway: GatewayView) -> JSONText {
        let settings = gateway.settings
        return .object([
            ("id", .string(gateway.name)), ("created_at", .string(Timestamp.text(gateway.createdAtMs))),
            ("modified_at", .string(Timestamp.text(gateway.modifiedAtMs))),
            ("cache_invalidate_on_update", .bool(settings.cacheInvalidateOnUpdate)),
            ("cache_ttl", .optional(settings.cacheTTL)), ("collect_logs", .bool(settings.collectLogs)),
            ("rate_limiting_interval", .optional(settings.rateLimitingInterval)),
            ("rate_limiting_limit", .optional(settings.rateLimitingLimit)),
            ("rate_limiting_technique", .optional(settings.rateLimitingTechnique?.rawValue)),
            ("authentication", .bool(settings.authentication)),
            ("log_management", .integer(Int64(settings.logManagement ?? 10_000_000))),
            ("log_management_strategy", .string((settings.logManagementStrategy ?? .deleteOldest).rawValue)),
            ("logpush", .bool(settings.logpush)), ("logpush_public_key", .optional(settings.logpushPublicKey)),
            ("is_default", .bool(gateway.name == "default")), ("zdr", .bool(settings.zdr)),
            ("guardrails", .optional(settings.guardrails)), ("otel", .optional(settings.otel)),
            ("spend_limits", .optional(settings.spendLimits)), ("stripe", .optional(settings.stripe)),
            ("store_id", .optional(settings.storeID)), ("retry_backoff", .optional(settings.retryBackoff?.rawValue)),
            ("retry_delay", .optional(settings.retryDelay)),
            ("retry_max_attempts", .optional(settings.retryMaxAttempts)),
            ("workers_ai_billing_mode", .string(settings.workersAIBillingMode.rawValue)),
            ("dlp", .optional(settings.dlp)), ("log_classification", .bool(settings.logClassification)),
            ("byok_only", .bool(settings.byokOnly)),
            ("full_outbox_policy", .string(settings.fullOutboxPolicy.rawValue)),
            ("full_text_search", .bool(settings.fullTextSearch)),
            ("log_retention_days", .optional(settings.logRetentionDays)),
            ("account_id", .string(gateway.account)), ("account_tag", .string(gateway.account)),
            ("internal_id", .string(gateway.uid.description)), ("wholesale", .bool(false)), ("internal", .bool(false)),
        ])
    }
}
