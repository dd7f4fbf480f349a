internal import CoreMetrics
internal import Metrics
internal import TidegateCore

/// What calls between nodes report. Handles are made once.
struct PeerMetrics: Sendable {
    let batchesSent = Counter(label: "tidegate_peer_batches_sent_total")
    let bytesSent = Counter(label: "tidegate_peer_batch_bytes_sent_total")
    let batchesReceived = Counter(label: "tidegate_peer_batches_received_total")
    let bytesReceived = Counter(label: "tidegate_peer_batch_bytes_received_total")
    let connectionsOut = Meter(label: "tidegate_peer_connections", dimensions: [("side", "out")])
    let connectionsIn = Meter(label: "tidegate_peer_connections", dimensions: [("side", "in")])
    let refused = Counter(label: "tidegate_peer_calls_refused_total")
    private let failed: [PeerFailure: Counter] = Dictionary(
        uniqueKeysWithValues: PeerFailure.allCases.map {
            ($0, Counter(label: "tidegate_peer_batches_failed_total", dimensions: [("why", $0.rawValue)]))
        })
    private let callsFailed: [TidegateError.Code: Counter] = Dictionary(
        uniqueKeysWithValues: TidegateError.Code.allCases.map {
            ($0, Counter(label: "tidegate_peer_calls_failed_total", dimensions: [("code", $0.rawValue)]))
        })

    func failed(_ failure: PeerFailure) { failed[failure]?.increment() }
    func failed(_ code: TidegateError.Code) { callsFailed[code]?.increment() }
}
