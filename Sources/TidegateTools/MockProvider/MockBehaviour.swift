/// How a mock provider answers. The rates are shares of all calls; together they are at most 1, and every call has at
/// most one fault. Which call gets which is a function of `seed` and of the order in which calls arrive.
package struct MockBehaviour: Equatable, Sendable {
    /// Until the first byte of an answer.
    package var latencyMs = 0.0
    /// Adds between 0 and this much to the latency, evenly.
    package var jitterMs = 0.0
    /// Events with text in a streamed answer.
    package var streamChunks = 20
    package var chunkIntervalMs = 0.0
    /// 500 or 503 in the provider's dialect.
    package var errorRate = 0.0
    /// 429 with `Retry-After: 1`.
    package var rateLimitRate = 0.0
    /// The connection stays open and nothing comes.
    package var stallRate = 0.0
    /// The connection closes in the middle of the answer.
    package var cutRate = 0.0
    /// Status 200 with JSON that breaks off.
    package var malformedRate = 0.0
    /// A call without a key is answered 401.
    package var requiresKey = false
    package var seed: UInt64 = 1

    package init() {}

    package var faultShare: Double { errorRate + rateLimitRate + stallRate + cutRate + malformedRate }
}
