internal import HTTPTypes
internal import TidegateCore

/// `…/gateways/{id}/analytics`: ours (Docs/api/analytics.md).
struct AnalyticsRoutes: Sendable {
    let logs: any LogService
    let directory: any GatewayDirectory
    let clock: any WallClock

    private static let path = Endpoint.gateway + "/analytics"
    private static let spanMs: Int64 = 24 * 3_600_000

    var endpoints: [Endpoint] { [Endpoint(.get, Self.path, .gateway(.read), isForOwner: true, sums(_:))] }

    @Sendable private func sums(_ call: Call) async throws -> Answer {
        let query = try query(try call.items())
        guard let uid = try await uid(call) else { throw APIFailure.missing("Gateway") }
        let answer = try await logs.analytics(of: uid, query)
        return try .list(
            answer.rows.map { Self.json($0, query) },
            info: [
                ("count", .integer(Int64(answer.rows.count))), ("step", .string(query.step.rawValue)),
                ("from", .string(Timestamp.text(query.fromMs))), ("to", .string(Timestamp.text(query.toMs))),
            ]
        ).at(answer.position, for: call)
    }

    private func uid(_ call: Call) async throws -> GatewayUID? {
        if let view = directory.cachedGateway(account: call.account, name: call.gateway) { return view.uid }
        return try await directory.resolveGateway(account: call.account, name: call.gateway)?.uid
    }

    private func query(_ items: QueryItems) throws -> AnalyticsQuery {
        let to = try time("to", items) ?? clock.milliseconds()
        let from = try time("from", items) ?? to - Self.spanMs
        guard from < to else { throw APIFailure.invalid("Must be before to", at: ["query", .name("from")]) }
        var query = AnalyticsQuery(fromMs: from, toMs: to)
        if let text = try items.one("step") {
            guard let step = AnalyticsQuery.Step(rawValue: text) else {
                throw APIFailure.invalid("Must be minute, hour or none", at: ["query", .name("step")])
            }
            query.step = step
        }
        for name in (try items.one("group") ?? "").split(separator: ",") {
            guard let group = AnalyticsQuery.Group(rawValue: String(name)), !query.groups.contains(group) else {
                throw APIFailure.invalid("Must be provider, model or both", at: ["query", .name("group")])
            }
            query.groups.append(group)
        }
        return query
    }

    private func time(_ name: String, _ items: QueryItems) throws -> Int64? {
        guard let text = try items.one(name) else { return nil }
        guard let time = Timestamp.milliseconds(text), abs(time) < 1 << 52 else {
            throw APIFailure.invalid("Must be a time such as 2026-11-24T10:00:00Z", at: ["query", .name(name)])
        }
        return time
    }

    private static func json(_ row: AnalyticsRow, _ query: AnalyticsQuery) -> JSONText {
        var fields: [(String, JSONText)] = []
        if let start = row.startMs { fields.append(("start", .string(Timestamp.text(start)))) }
        if let provider = row.provider { fields.append(("provider", .string(provider))) }
        if let model = row.model { fields.append(("model", .string(model))) }
        fields += [
            ("requests", .integer(row.requests)), ("errors", .integer(row.errors)), ("cached", .integer(row.cached)),
            ("tokens_in", .integer(row.tokensIn)), ("tokens_out", .integer(row.tokensOut)),
            ("cost", .number(row.cost.usd)), ("duration_sum", .integer(row.durationSumMs)),
            ("duration_max", .integer(row.durationMaxMs)), ("latency_sum", .integer(row.latencySumMs)),
        ]
        return .object(fields)
    }
}
