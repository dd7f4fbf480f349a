internal import HTTPTypes
internal import Hummingbird
internal import TidegateCore

/// `…/gateways/{gateway}/logs` (reference/management-api.md §3).
struct LogRoutes: Sendable {
    let logs: any LogService
    let directory: any GatewayDirectory

    private static let list = Endpoint.gateway + "/logs"
    private static let row = list + "/{id}"

    var endpoints: [Endpoint] {
        [
            Endpoint(.get, Self.list, .gateway(.read), isForOwner: true, list(_:)),
            Endpoint(.delete, Self.list, .gateway(.edit), isForOwner: true, deleteMany(_:)),
            Endpoint(.get, Self.row, .gateway(.read), isForOwner: true, get(_:)),
            Endpoint(.patch, Self.row, .gateway(.edit), isForOwner: true, patch(_:)),
            Endpoint(.get, Self.row + "/request", .gateway(.read), isForOwner: true) { try await body(.request, $0) },
            Endpoint(.get, Self.row + "/response", .gateway(.read), isForOwner: true) { try await body(.response, $0) },
        ]
    }

    @Sendable private func list(_ call: Call) async throws -> Answer {
        let query = try LogQueryParser.list(call.query)
        let page = try await logs.logs(of: try await gateway(call), query)
        var info: [(String, JSONText)] = [
            ("count", .integer(Int64(page.rows.count))), ("page", .integer(Int64(query.page))),
            ("per_page", .integer(Int64(query.perPage))), ("total_count", .integer(page.totalCount)),
        ]
        if let cursor = page.nextCursor { info.append(("cursor", .string(cursor))) }
        // Ours, and only where the answer is less than was asked for.
        if !page.isCountExact { info.append(("total_count_exact", .bool(false))) }
        if page.isPartial { info.append(("partial", .bool(true))) }
        if let count = page.unsearchedBodies { info.append(("bodies_not_searched", .integer(count))) }
        if query.wantsMetaInfo {
            for name in ["cost", "duration", "tokens_in", "tokens_out", "total_tokens"] {
                info.append(("min_\(name)", .optional(page.ranges?[name]?.min)))
                info.append(("max_\(name)", .optional(page.ranges?[name]?.max)))
            }
        }
        return try .list(page.rows.map(LogJSON.short), info: info).at(page.position, for: call)
    }

    @Sendable private func get(_ call: Call) async throws -> Answer {
        guard let (row, position) = try await logs.log(try id(call), of: try await gateway(call)) else {
            throw APIFailure.missing("Log")
        }
        return try .result(LogJSON.long(row)).at(position, for: call)
    }

    /// A stored body comes from a provider: a browser must not run it in the dashboard's origin.
    private func body(_ part: BodyPart, _ call: Call) async throws -> Answer {
        let answer = try await logs.body(part, of: try id(call), gateway: try await gateway(call))
        var shown: Answer
        let (type, at): (String, LogPosition)
        switch answer {
        case .none: throw APIFailure.missing("Body")
        case .kept(let body, let position):
            (type, at) = (body.contentType, position)
            shown = Answer(contentType: type, body: body.bytes)
        case .object(let object, let position):
            (type, at) = (object.contentType, position)
            // Its beginning comes before the answer's: until then it can still be said that the store does not answer.
            shown = Answer(contentType: type, body: try await object.read(0..<Answer.partBytes))
            shown.rest = object
        }
        if type.isEmpty { shown.headers[0].value = "application/octet-stream" }
        shown.headers.append((name: "content-security-policy", value: "sandbox; default-src 'none'"))
        return try shown.at(at, for: call)
    }

    @Sendable private func patch(_ call: Call) async throws -> Answer {
        let patch = try LogPatchBody.read(call.body)
        let id = try self.id(call)
        let uid = try await gateway(call)
        let outcome = try await logs.patch(id, of: uid, patch)
        return try Self.answer(outcome, id, call)
    }

    private static func answer(_ outcome: PatchOutcome, _ id: RecordID, _ call: Call) throws -> Answer {
        let (state, status, position) =
            switch outcome {
            case .applied(let position): ("applied", 200, position)
            case .waiting(let position): ("waiting", 202, position)
            }
        let result = JSONText.object([("id", .string(id.description)), ("state", .string(state))])
        return try Answer.result(result, status: status).at(position, for: call)
    }

    @Sendable private func deleteMany(_ call: Call) async throws -> Answer {
        let asked = try LogQueryParser.deletion(call.query)
        let gone = try await logs.delete(from: try await gateway(call), matching: asked.query, limit: asked.limit)
        // Not refused for what the caller has seen: the rows are gone.
        return Answer.result(.object([("deleted", .integer(Int64(gone.count)))])).naming(gone.position)
    }

    private func gateway(_ call: Call) async throws -> GatewayUID {
        if let view = directory.cachedGateway(account: call.account, name: call.gateway) { return view.uid }
        guard let view = try await directory.resolveGateway(account: call.account, name: call.gateway) else {
            throw APIFailure.missing("Gateway")
        }
        return view.uid
    }

    private func id(_ call: Call) throws -> RecordID {
        guard let id = RecordID(call.parameters.get("id") ?? "") else { throw APIFailure.missing("Log") }
        return id
    }
}

extension Answer {
    /// Names the position the answer was computed at. A client that has seen a newer one of the slot is refused (A14).
    func at(_ position: LogPosition?, for call: Call) throws -> Answer {
        guard let position else { return self }
        if let text = call.header("x-tidegate-min-position") {
            guard let seen = LogPosition(text) else {
                throw APIFailure.invalid("Must be region/index:epoch:n", at: ["headers", "x-tidegate-min-position"])
            }
            if seen.slot == position.slot, position < seen {
                throw APIFailure(
                    status: 503, code: APIFailure.Code.unavailable, "Not yet as far as \(seen); ask again",
                    headers: [(name: "retry-after", value: "1")])
            }
        }
        return naming(position)
    }

    func naming(_ position: LogPosition) -> Answer {
        var answer = self
        answer.headers.append((name: "x-tidegate-position", value: position.description))
        return answer
    }
}
