import Synchronization
import TidegateCore

/// One gateway's rows in memory, newest first. Filters are kept for the test to look at, not applied.
final class MemoryLogs: LogService {
    struct State {
        var rows: [LogRow] = []
        var asked: LogQuery?
        var patches: [LogPatch] = []
        /// Long bodies by key, and what was read of them.
        var objects: [String: [UInt8]] = [:]
        var reads: [Range<Int>] = []
        var sums: [AnalyticsRow] = []
        var askedSums: AnalyticsQuery?
    }
    let state = Mutex(State())
    static let position = LogPosition(slot: SlotID(region: "r1", index: 7), epoch: 3, n: 12)

    func logs(of gateway: GatewayUID, _ query: LogQuery) async throws(TidegateError) -> LogPage {
        let rows = state.withLock { state in
            state.asked = query
            return state.rows
        }
        let cut = rows.dropFirst((query.page - 1) * query.perPage).prefix(query.perPage)
        var page = LogPage(rows: Array(cut), totalCount: Int64(rows.count))
        page.position = Self.position
        page.nextCursor = cut.isEmpty ? nil : "next"
        if query.wantsMetaInfo { page.ranges = ["duration": .init(min: 1, max: 250)] }
        return page
    }

    func analytics(of gateway: GatewayUID, _ query: AnalyticsQuery) async throws(TidegateError) -> AnalyticsAnswer {
        let rows = state.withLock { state in
            state.askedSums = query
            return state.sums
        }
        return AnalyticsAnswer(rows: rows, position: Self.position)
    }

    func log(_ id: RecordID, of gateway: GatewayUID) async throws(TidegateError) -> (
        row: LogRow, position: LogPosition
    )? {
        let row = state.withLock { $0.rows.first { $0.record.id == id } }
        return row.map { ($0, Self.position) }
    }

    func body(_ part: BodyPart, of id: RecordID, gateway: GatewayUID) async throws(TidegateError) -> BodyAnswer {
        guard let record = try await log(id, of: gateway)?.row.record else { return .none }
        let bytes = part == .request ? record.requestBody : record.responseBody
        let type = part == .request ? record.requestContentType : record.responseContentType
        let key = part == .request ? record.requestObject : record.responseObject
        if let content = state.withLock({ $0.objects[key] }) {
            let isCut = !record.flags.isDisjoint(with: [.requestBodyTruncated, .responseBodyTruncated])
            let whole = Int(part == .request ? record.requestBytes : record.responseBytes)
            let object = BodyObject(contentType: type, bytes: isCut ? nil : whole) {
                range throws(TidegateError) in
                self.state.withLock { $0.reads.append(range) }
                return Array(content[range.clamped(to: 0..<content.count)])
            }
            return .object(object, at: Self.position)
        }
        return bytes.isEmpty ? .none : .kept(StoredBody(bytes: Array(bytes), contentType: type), at: Self.position)
    }

    func patch(_ id: RecordID, of gateway: GatewayUID, _ patch: LogPatch) async throws(TidegateError) -> PatchOutcome {
        state.withLock { state in
            state.patches.append(patch)
            return state.rows.contains { $0.record.id == id } ? .applied(Self.position) : .waiting(Self.position)
        }
    }

    func delete(from gateway: GatewayUID, matching query: LogQuery, limit: Int) async throws(TidegateError) -> (
        count: Int, position: LogPosition
    ) {
        state.withLock { state in
            state.asked = query
            let gone = min(limit, state.rows.count)
            state.rows.removeFirst(gone)
            return (gone, Self.position)
        }
    }
}
