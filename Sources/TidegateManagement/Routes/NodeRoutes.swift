internal import HTTPTypes
internal import Hummingbird
internal import TidegateCore

/// What probes, Prometheus and operators ask of the node itself.
struct NodeRoutes: Sendable {
    let status: any NodeStatusSource

    var endpoints: [Endpoint] {
        [
            Endpoint(.get, "/healthz", .open) { _ in .text("ok\n") },
            Endpoint(.get, "/readyz", .open) { [status] _ in
                guard let reason = await status.notReadyReason() else { return .text("ready\n") }
                return .text(reason + "\n", status: 503)
            },
            Endpoint(.get, "/metrics", .open) { [status] _ in
                Answer(
                    contentType: "text/plain; version=0.0.4; charset=utf-8",
                    body: Array(await status.metricsText().utf8))
            },
            Endpoint(.get, "/status", .node) { [status] _ in
                Answer(contentType: "application/json", body: await status.statusJSON())
            },
        ]
    }
}
