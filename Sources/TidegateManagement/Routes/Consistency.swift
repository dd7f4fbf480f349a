internal import TidegateCore

/// `?consistency=` of a question about a gateway's log: how sure its answer must be to be the newest (A14).
enum Consistency: String {
    /// The slot's record is read after the answer was computed: it was the newest at that moment, whatever happened before.
    case strong
    /// Whatever the node that seems to own the slot has. Such an answer says `x-tidegate-stale: true` when nobody vouches
    /// for it.
    case bounded

    /// - Returns: `nil` when the question does not say: the owner's lease decides.
    static func asked(_ call: Call) throws(APIFailure) -> Consistency? {
        guard let text = try call.items().one("consistency") else { return nil }
        guard let consistency = Consistency(rawValue: text) else {
            throw .invalid("Must be strong or bounded", at: ["query", .name("consistency")])
        }
        return consistency
    }
}

extension Answer {
    /// The answer, if it may be shown as the newest.
    func vouchedFor(by owners: any GatewayOwners, _ consistency: Consistency?) async throws -> Answer {
        guard let text = headers.first(where: { $0.name == "x-tidegate-position" })?.value,
            let position = LogPosition(text)
        else { return self }
        if try await owners.vouches(for: position, strongly: consistency == .strong) { return self }
        guard consistency == .bounded else {
            throw APIFailure(
                status: 503, code: APIFailure.Code.unavailable,
                "Another node may serve the gateway's slot by now: ask again, or with consistency=bounded",
                headers: [(name: "retry-after", value: "1")])
        }
        var answer = self
        answer.headers.append((name: "x-tidegate-stale", value: "true"))
        return answer
    }
}
