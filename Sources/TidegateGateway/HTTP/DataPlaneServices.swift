internal import Logging
internal import TidegateCore

/// What every loop of the data plane shares. Immutable; its parts guard themselves.
struct DataPlaneServices: Sendable {
    let settings: DataPlaneSettings
    let directory: any GatewayDirectory
    let capture: any CaptureLog
    let control: any ControlPlane
    let providers: ProviderTable
    let prices: PriceTable
    let clock: any WallClock
    let logger: Logger
    let metrics: DataPlaneMetrics
    let gate: ConnectionGate
}
