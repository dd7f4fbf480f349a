/// Reads settings that an older or newer build wrote: an absent field has its default, an unknown one is left out.
extension GatewaySettings {
    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        func field<Value: Decodable>(_ key: CodingKeys, _ initial: Value) throws -> Value {
            try fields.decodeIfPresent(Value.self, forKey: key) ?? initial
        }
        func optional<Value: Decodable>(_ key: CodingKeys) throws -> Value? {
            try fields.decodeIfPresent(Value.self, forKey: key)
        }
        self.init()
        cacheInvalidateOnUpdate = try field(.cacheInvalidateOnUpdate, cacheInvalidateOnUpdate)
        cacheTTL = try optional(.cacheTTL)
        collectLogs = try field(.collectLogs, collectLogs)
        rateLimitingInterval = try optional(.rateLimitingInterval)
        rateLimitingLimit = try optional(.rateLimitingLimit)
        rateLimitingTechnique = try optional(.rateLimitingTechnique)
        authentication = try field(.authentication, authentication)
        logManagement = try optional(.logManagement)
        logManagementStrategy = try optional(.logManagementStrategy)
        logpush = try field(.logpush, logpush)
        logpushPublicKey = try optional(.logpushPublicKey)
        retryBackoff = try optional(.retryBackoff)
        retryDelay = try optional(.retryDelay)
        retryMaxAttempts = try optional(.retryMaxAttempts)
        storeID = try optional(.storeID)
        workersAIBillingMode = try field(.workersAIBillingMode, workersAIBillingMode)
        zdr = try field(.zdr, zdr)
        byokOnly = try field(.byokOnly, byokOnly)
        dlp = try optional(.dlp)
        guardrails = try optional(.guardrails)
        logClassification = try field(.logClassification, logClassification)
        otel = try optional(.otel)
        spendLimits = try optional(.spendLimits)
        stripe = try optional(.stripe)
        fullOutboxPolicy = try field(.fullOutboxPolicy, fullOutboxPolicy)
        fullTextSearch = try field(.fullTextSearch, fullTextSearch)
        logRetentionDays = try optional(.logRetentionDays)
    }
}
