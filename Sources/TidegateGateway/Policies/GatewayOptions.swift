package import NIOHTTP1
package import TidegateCore

/// What the `cf-aig-*` headers, the step's `config` and the gateway's settings say about one call, resolved.
///
/// Precedence: step's `config` > step's headers > request's headers > gateway's settings. A value that cannot be read counts
/// as absent, and one out of range as the nearest in range: a call never fails for an option.
package struct GatewayOptions: Equatable, Sendable {
    package static let attemptsMax = 5
    package static let retryDelayMsMax = 5_000

    package var collectsLog: Bool
    /// False keeps the row without bodies.
    package var collectsPayload: Bool
    /// A flat JSON object of at most five members, or empty.
    package var metadata: String
    /// The client's own; `nil` means generate one.
    package var eventID: String?
    package var retry: RetryPolicy
    package var customCost: CustomCost?

    /// - Parameter entry: the step of a universal request, or `nil` for a call to one provider.
    package static func resolve(
        entry: StepList.Step?, request: HTTPHeaders, gateway: GatewaySettings
    ) -> GatewayOptions {
        let headers = LayeredHeaders(entry: entry?.headers, request: request)
        let config = entry?.config
        return GatewayOptions(
            collectsLog: headers.first("cf-aig-collect-log", OptionValue.bool) ?? gateway.collectLogs,
            collectsPayload: headers.first("cf-aig-collect-log-payload", OptionValue.bool) ?? true,
            metadata: headers.first("cf-aig-metadata", CallMetadata.flattened) ?? "",
            eventID: entry?.eventID ?? headers.first("cf-aig-event-id", OptionValue.identifier),
            retry: RetryPolicy(
                maxAttempts: config?.maxAttempts ?? headers.first("cf-aig-max-attempts", OptionValue.whole)
                    ?? gateway.retryMaxAttempts ?? 1,
                delayMs: config?.retryDelayMs ?? headers.first("cf-aig-retry-delay", OptionValue.whole)
                    ?? gateway.retryDelay ?? 0,
                backoff: config?.backoff ?? headers.first("cf-aig-backoff", OptionValue.backoff)
                    ?? gateway.retryBackoff ?? .constant,
                requestTimeoutMs: config?.requestTimeoutMs
                    ?? headers.first("cf-aig-request-timeout", OptionValue.positive)),
            customCost: headers.first("cf-aig-custom-cost", CustomCost.init(json:)))
    }
}

/// Looks a header up in the step first, then in the request.
private struct LayeredHeaders {
    let entry: HTTPHeaders?
    let request: HTTPHeaders

    func first<Value>(_ name: String, _ read: (String) -> Value?) -> Value? {
        entry?.first(name: name).flatMap(read) ?? request.first(name: name).flatMap(read)
    }
}
